// What must hold for a run to pass. k6 exits with 99 when one of these is crossed.

/** For every script: nobody's journey breaks, and nothing unexpected is answered. */
export const sound = {
  journeys_broken: ['count==0'],
  http_req_failed: ['rate==0'],
};

/** Under a storm, on a machine that is shared with everything it loads. */
export const storm = {
  journeys_broken: ['count==0'],
  http_req_failed: ['rate<0.001'],
};

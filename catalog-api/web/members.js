// What the pages of members share.

const { ask } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const message = document.getElementById('message');

export function tell(text) {
  if (message.textContent !== text) message.textContent = text;
}

/** What a problem says, field by field if it names some. */
export function explain({ status, body }) {
  if (status === 0) return 'The shop does not answer. Try again.';
  const fields = (body.errors || []).map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`);
  return fields.join(' · ') || body.detail || 'That did not work.';
}

/** A form whose fields go as JSON to `send`, once at a time. */
export function onSubmit(id, send) {
  const form = document.getElementById(id);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button[type="submit"]');
    button.disabled = true;
    tell('');
    await send(Object.fromEntries(new FormData(form)), form);
    button.disabled = false;
  });
  return form;
}

/** The next tokens, in cookies. Of several tabs one asks at a time. */
export async function refresh() {
  const now = () => ask('POST', '/members/session/refresh', { body: {} });
  const answer = await (navigator.locks ? navigator.locks.request('member-refresh', now) : now());
  if (answer.status === 200) signedIn();
  if (answer.status === 401) signedOut();
  return answer;
}

/** Scripts cannot see the cookies: this says that there are some, and how old the access token is. */
export function signedIn() {
  localStorage.setItem('member-since', Date.now());
}

export function signedOut() {
  localStorage.removeItem('member-since');
}

/** Asks as a member; whose access token is over gets the next one, or is sent to sign in. */
export async function askAsMember(method, address, options) {
  const first = await ask(method, address, options);
  if (first.status !== 401 || first.body.type === 'urn:problem:credentials-refused') return first;
  const renewed = await refresh();
  if (renewed.status === 200) return ask(method, address, options);
  location.assign(`/sign-in?return=${encodeURIComponent(location.pathname)}`);
  return first;
}

/** Where somebody goes who has signed in: back, but nowhere else than in this shop. */
export function goBack() {
  signedIn();
  const wanted = new URLSearchParams(location.search).get('return') || '/account';
  const here = new URL(wanted, location.origin);
  location.replace(here.origin === location.origin ? here.href : '/account');
}

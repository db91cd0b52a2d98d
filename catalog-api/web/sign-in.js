// The sign-in page.

const version = document.body.dataset.assets;
const { ask } = await import(`/assets/shop.js?v=${version}`);
const { explain, goBack, onSubmit, refresh, tell } = await import(`/assets/members.js?v=${version}`);

let signIn = null;
let reset = null;

// Whoever was sent here because a quarter of an hour was over need not type anything.
if (new URLSearchParams(location.search).has('return') && (await refresh()).status === 200) goBack();

onSubmit('password-form', async ({ email, password }) => {
  const answer = await ask('POST', '/members/session', { body: { email, password, cookies: true } });
  if (answer.status === 200) return goBack();
  if (answer.body.type === 'urn:problem:code-needed') {
    signIn = answer.body.sign_in;
    show('code-form');
  }
  tell(explain(answer));
});

onSubmit('code-form', async ({ code }) => {
  const answer = await ask('POST', '/members/session/code', { body: { sign_in: signIn, code, cookies: true } });
  if (answer.status === 200) return goBack();
  tell(explain(answer));
});

onSubmit('forgotten-form', async ({ email }) => {
  const answer = await ask('POST', '/members/password/forgotten', { body: { email } });
  if (answer.status !== 202) return tell(explain(answer));
  reset = answer.body.reset;
  show('reset-form');
  tell('If there is an account with this address, a code is on its way.');
});

onSubmit('reset-form', async ({ code, password }) => {
  const answer = await ask('POST', '/members/password/reset', { body: { reset, code, password, cookies: true } });
  if (answer.status === 200) return goBack();
  tell(explain(answer));
});

function show(id) {
  const form = document.getElementById(id);
  form.hidden = false;
  form.querySelector('input').focus();
}

// The sign-up page.

const version = document.body.dataset.assets;
const { ask } = await import(`/assets/shop.js?v=${version}`);
const { explain, goBack, onSubmit, tell } = await import(`/assets/members.js?v=${version}`);

let signUp = null;

onSubmit('details-form', async (fields, form) => {
  const answer = await ask('POST', '/members', { body: fields });
  if (answer.status !== 202) return tell(explain(answer));
  signUp = answer.body.sign_up;
  form.hidden = true;
  document.getElementById('code-form').hidden = false;
  document.getElementById('code').focus();
});

onSubmit('code-form', async ({ code }) => {
  const answer = await ask('POST', '/members/verify', { body: { sign_up: signUp, code, cookies: true } });
  if (answer.status === 201) return goBack();
  tell(explain(answer));
});

document.getElementById('resend').addEventListener('click', async () => {
  const answer = await ask('POST', '/members/resend', { body: { sign_up: signUp } });
  tell(answer.status === 202 ? 'Another code is on its way.' : explain(answer));
});

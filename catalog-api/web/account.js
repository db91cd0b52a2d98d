// One's own account.

const version = document.body.dataset.assets;
const { money, readWords } = await import(`/assets/shop.js?v=${version}`);
const { askAsMember, explain, onSubmit, signedOut, tell } = await import(`/assets/members.js?v=${version}`);

const ME = '/members/me';
const BOOK = `${ME}/addresses`;
const at = (id) => document.getElementById(id);
const words = await readWords();

const profile = await askAsMember('GET', ME);
if (profile.status === 200) {
  at('email').textContent = profile.body.email;
  for (const field of ['name', 'phone', 'language']) at(field).value = profile.body[field] || '';
  await Promise.all([showBook(), showOrders()]);
} else {
  tell(explain(profile));
}

onSubmit('profile-form', async ({ name, phone, language }) => {
  const answer = await askAsMember('PATCH', ME, { body: { name, phone: phone || null, language } });
  tell(answer.status === 200 ? 'Saved.' : explain(answer));
});

onSubmit('address-form', async (fields, form) => {
  const answer = await askAsMember('POST', BOOK, { body: fields });
  if (answer.status !== 201) return tell(explain(answer));
  form.reset();
  await showBook();
});

onSubmit('change-form', async (fields, form) => {
  const answer = await askAsMember('PUT', `${ME}/password`, { body: fields });
  if (answer.status === 204) form.reset();
  tell(answer.status === 204 ? 'Changed. Every other device is signed out.' : explain(answer));
});

onSubmit('erase-form', async (fields) => {
  const answer = await askAsMember('DELETE', ME, { body: fields });
  if (answer.status === 204) {
    signedOut();
    return location.assign('/');
  }
  tell(explain(answer));
});

at('out').addEventListener('click', () => leave('/members/session'));
at('out-everywhere').addEventListener('click', () => leave('/members/sessions'));

async function leave(address) {
  const answer = await askAsMember('DELETE', address);
  if (answer.status !== 204) return tell(explain(answer));
  signedOut();
  location.assign('/sign-in');
}

async function showBook() {
  const answer = await askAsMember('GET', BOOK);
  if (answer.status !== 200) return tell(explain(answer));
  at('addresses').replaceChildren(...answer.body.addresses.map(entry));
}

/** The next page of orders, below those that are shown. */
async function showOrders(after) {
  const page = new URLSearchParams({ limit: '10', ...(after && { after }) });
  const answer = await askAsMember('GET', `${ME}/orders?${page}`);
  if (answer.status !== 200) return tell(explain(answer));
  const { orders, next } = answer.body;
  at('orders').append(...orders.map(orderEntry));
  if (!at('orders').children.length) at('orders').append(Object.assign(document.createElement('li'), { textContent: words.no_orders }));
  at('more-orders').hidden = !next;
  at('more-orders').onclick = () => showOrders(next);
}

function orderEntry({ order_id: id, state, lines, total }) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = `/orders/${id}`;
  link.textContent = lines.map(({ quantity, name }) => `${quantity} × ${name}`).join(', ') || words.your_order;
  item.append(link, ` ${total ? money(total) : ''} · ${words[state] || state}`);
  return item;
}

function entry({ id, is_default: isDefault, ...address }) {
  const item = document.createElement('li');
  const lines = [address.recipient, address.line1, address.line2, `${address.postal_code || ''} ${address.city}`, address.country];
  item.append(lines.filter(Boolean).join(', '), ' ');
  if (isDefault) item.append('(default) ');
  else item.append(button('Make it the default', () => askAsMember('PUT', `${BOOK}/${id}`, { body: { ...address, is_default: true } })));
  item.append(button('Remove', () => askAsMember('DELETE', `${BOOK}/${id}`)));
  return item;
}

function button(text, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'quiet';
  made.textContent = text;
  made.addEventListener('click', async () => {
    const answer = await act();
    if (answer.status >= 400) tell(explain(answer));
    await showBook();
  });
  return made;
}

// The cart page: change, remove, and order what is ticked at the prices that are shown.

const { ask, order } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const form = document.getElementById('order');
const message = document.getElementById('message');
const rows = () => [...form.querySelectorAll('tr[data-product]')];

form?.addEventListener('change', async (event) => {
  if (event.target.name !== 'quantity' || !event.target.reportValidity()) return;
  const { product } = event.target.closest('tr').dataset;
  await change('PUT', product, { quantity: Number(event.target.value) });
});

form?.addEventListener('click', async (event) => {
  if (event.target.name !== 'remove') return;
  await change('DELETE', event.target.closest('tr').dataset.product);
});

form?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const lines = rows().filter((row) => row.querySelector('[name=chosen]').checked).map(line);
  if (lines.length === 0) {
    message.textContent = 'Tick what you want to order.';
    return;
  }
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  message.textContent = await order({ lines, from_cart: true });
  button.disabled = false;
});

function line(row) {
  const { product, minor, currency } = row.dataset;
  const quantity = Number(row.querySelector('[name=quantity]').value);
  return { product_id: product, quantity, seen_price: { minor: Number(minor), currency } };
}

/** What the server makes of it is shown by loading the page again: it counts, we do not. */
async function change(method, product, body) {
  const answer = await ask(method, `/cart/lines/${product}`, { body });
  if (answer.status === 200) location.reload();
  else message.textContent = answer.body.detail || 'That did not work.';
}

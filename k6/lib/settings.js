// Where the shop is and what the shoppers want. Everything can be said by an environment variable
// (`k6 run -e NAME=value …`); the defaults fit the local stack.

function number(name, otherwise) {
  const value = Number(__ENV[name] || otherwise);
  if (!Number.isFinite(value) || value < 0) {
    throw new Error(`${name} must be a number that is not negative, not ${__ENV[name]}`);
  }
  return value;
}

export const settings = {
  /** The public address: the edge, never the shop behind it. */
  shop: (__ENV.SHOP_URL || 'http://127.0.0.1:17080').replace(/\/$/, ''),
  /** The room that guards the shop. */
  room: __ENV.ROOM || 'demo',
  /** What everybody wants. */
  product: __ENV.PRODUCT || 'demo-sneaker',
  /** How many units each shopper orders. */
  quantity: number('QUANTITY', 1),
  /** How many shoppers come. */
  shoppers: number('SHOPPERS', 1),
  /** Every n-th shopper's card is declined; 0: nobody's. */
  declinedEvery: number('DECLINED_EVERY', 0),
  /** Every n-th shopper clicks "buy" twice at once; 0: nobody. */
  doubleClickEvery: number('DOUBLE_CLICK_EVERY', 0),
  /** Over how many seconds the shoppers arrive. */
  arrivalSeconds: number('ARRIVAL_SECONDS', 0),
  /** How long a shopper waits in line before giving up. */
  patienceSeconds: number('PATIENCE_SECONDS', 900),
  /** The sandbox provider's test cards. */
  cards: {
    paid: __ENV.CARD || '4242424242424242',
    declined: __ENV.DECLINED_CARD || '4000000000000002',
  },
  /** Where the JSON summary goes. */
  summaryFile: __ENV.SUMMARY_FILE || 'k6-summary.json',
};

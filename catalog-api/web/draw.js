// The page of a draw: where it stands, where the member stands, entering and leaving.

const { ask, everySecond } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const at = (id) => document.getElementById(id);
const page = at('draw');
const address = `/draws/${page.dataset.draw}`;
const UNKNOWN = 'The shop does not answer. Trying again…';

const PHASES = {
  scheduled: 'It has not opened yet.', open: 'It is open: enter now.', closed: 'It is closed, and is being drawn.',
  frozen: 'It is closed, and is being drawn.', drawn: 'It is drawn.', selling: 'It is drawn, and places are being called.',
  finished: 'It is over.', cancelled: 'It was called off.',
};

let draw = null;
let stands = null;
/** How far the shop's clock is ahead of ours. */
let ahead = 0;

everySecond(async () => {
  const [shown, mine] = await Promise.all([ask('GET', address), ask('GET', `${address}/entry`)]);
  if (shown.status === 200) {
    draw = shown.body;
    ahead = Date.parse(draw.server_time) - Date.now();
  }
  if (mine.status === 200) stands = mine.body;
  show(mine.status);
  return !(draw && ['finished', 'cancelled'].includes(draw.phase) && mine.status !== 0);
});
setInterval(showCountdown, 250);

at('enter').addEventListener('click', () => act('enter', 'PUT'));
at('leave').addEventListener('click', () => act('leave', 'DELETE'));

async function act(name, method) {
  at(name).disabled = true;
  const { status, body } = await ask(method, `${address}/entry`);
  at(name).disabled = false;
  const done = status >= 200 && status < 300;
  setText('message', done ? '' : body.detail || UNKNOWN);
  const mine = await ask('GET', `${address}/entry`);
  if (mine.status === 200) stands = mine.body;
  show(mine.status);
}

function show(status) {
  if (draw) {
    setText('phase', PHASES[draw.phase] || draw.phase);
    setText('entries', draw.entries.toLocaleString());
    setText('called', draw.called.toLocaleString());
  }
  const state = status === 401 ? 'signed_out' : stands?.state;
  setText('standing', say(state));
  const open = draw?.phase === 'open';
  at('enter').hidden = !(open && ['not_entered', 'left'].includes(state));
  at('leave').hidden = !(open && state === 'entered');
  at('buy').hidden = state !== 'may_buy';
  showCountdown();
}

function say(state) {
  const place = stands?.place ? `Your place is ${stands.place.toLocaleString()}. ` : '';
  switch (state) {
    case 'signed_out': return 'Sign in to enter, and to see where you stand.';
    case 'not_entered': return 'You have not entered.';
    case 'left': return `${place}You left this draw.`;
    case 'entered': return `You are in, with number ${(stands.number + 1).toLocaleString()}. The order is drawn after the closing; the number says nothing about it.`;
    case 'waiting': return `${place}It is not your turn yet: if somebody before you does not buy, it moves on.`;
    case 'may_buy': return `${place}It is your turn: you may buy one.`;
    case 'ordered': return `${place}You have ordered. It is yours once it is paid.`;
    case 'bought': return `${place}You have bought it.`;
    case 'lapsed': return `${place}Your time to buy is over.`;
    case 'not_reached': return `${place}Everything was sold before it was your turn.`;
    default: return '–';
  }
}

function showCountdown() {
  const until = stands?.state === 'may_buy' && stands.until;
  at('countdown').hidden = !until;
  if (!until) return;
  const seconds = Math.max(0, Math.ceil((Date.parse(until) - Date.now() - ahead) / 1000));
  const two = (number) => String(number).padStart(2, '0');
  setText('countdown', `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`);
}

/** Only when it changes: a status that is written again is read out again. */
function setText(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

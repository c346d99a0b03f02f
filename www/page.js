/* What the demo pages have in common: the state of their connection in a person's words, and how
 * old the last figures are. */
'use strict';

const $ = id => document.getElementById(id);

/* What is so, in words; `left`: seconds until the next try. */
function wordsOf({state, transport, retryIn, error}, left) {
  if (state === 'open') return `live (${transport})`;
  if (state === 'connecting') return 'Connecting …';
  if (state === 'offline') return 'This device has no network';
  if (state === 'closed') return error ? 'The server refuses this page' : 'Not connected';
  if (retryIn === undefined) return 'The server is cut off from Redis';
  const what = error && error.title === 'not an answer of Halley' ? 'What answers is not Halley (a login page?)' :
    error && error.status === 503 ? 'The server cannot serve just now' :
    error && error.status ? `The server answers ${error.status}` : 'No answer';
  return `${what}, next try ${left > 0 ? `in ${left} s` : 'now'}`;
}

/* Says it at #state, counting down; why the server refuses, at `say`. */
function followState(halley, say) {
  let timer, shown = null; // what was said of the connection: what the page itself says stays
  halley.on('state', event => {
    const {state, retryIn, error} = event, until = Date.now() + (retryIn || 0);
    const tell = () => { $('state').textContent = wordsOf(event, Math.ceil((until - Date.now()) / 1000)); };
    clearInterval(timer);
    $('state').dataset.state = state;
    tell();
    if (state === 'waiting' && retryIn) timer = setInterval(tell, 500);
    if (!say) return;
    const refusal = state === 'closed' && error ? error.message : null;
    if (refusal) say.textContent = refusal;
    else if (shown !== null && say.textContent === shown) say.textContent = '';
    shown = refusal;
  });
}

/* Figures grow old: `figures` are dimmed when the last of them is older than `limit` seconds, and
 * `age` says how old. Returns what takes the time of each message, in Unix milliseconds. */
function followAge(figures, age, limit) {
  let last = 0;
  const look = () => {
    if (!last) return;
    const seconds = Math.max(0, Math.round((Date.now() - last) / 1000)), stale = seconds > limit;
    figures.classList.toggle('stale', stale);
    age.textContent = !stale ? '' : seconds < 120 ? `${seconds} s ago` : seconds < 7200 ? `${Math.round(seconds / 60)} min ago` :
      `of ${new Date(last).toLocaleString()}`;
  };
  setInterval(look, 1000);
  return at => {
    last = Math.max(last, at);
    look();
  };
}

/* Further ways of reading: an async iterator, and pages of history. */
import {call, urlOf} from './requests.js';
import {failure, foreign, isPage} from './tools.js';

/* What comes on a channel, for `for await`. It begins with the call; it ends with the signal, with
 * close(), or in an error where the channel is refused, or more wait to be read than `queue`. */
export function messages(halley, channel, options) {
  const list = [], most = halley.options.queue;
  let over, error, wake;
  const end = e => {
    if (over) return;
    error = e;
    over = true;
    leave();
    wake?.();
  };
  const leave = halley.subscribe(channel, message => {
    if (list.push(message) > most) end(failure({title: `messages: ${most} wait already (option queue)`}));
    wake?.();
  }, options).on('error', end).on('end', end);
  return (async function* () {
    try {
      for (; ;) {
        while (list.length) yield list.shift();
        if (error) throw error;
        if (over || options?.signal?.aborted) return;
        await new Promise(done => { wake = done; });
      }
    } finally {
      leave();
    }
  })();
}

/* A page of what a channel's history holds. */
export async function history(halley, channel, options) {
  const {signal, ...which} = options || {}, page = await call(halley, urlOf(halley, 'history', [channel], undefined, which), signal);
  if (!isPage(page)) throw foreign(200);
  return page;
}

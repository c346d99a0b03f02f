/*
 * How batches stand in the bytes of each transport: a function makes a parser, which is
 * fed text and calls `take(batch)` for each whole one. A batch is {messages, cursor, gap}.
 */

/* "a@5-1,b@7-2" as {a: "5-1", b: "7-2"}. */
export function places(cursor) {
  return Object.fromEntries((cursor || '').split(',').filter(Boolean).map(item => {
    const at = item.lastIndexOf('@');
    return [item.slice(0, at).replace(/~([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), item.slice(at + 1)];
  }));
}

/* Pieces that `end` ends; what stands behind the last end is kept for later. */
function pieces(end, take) {
  let rest = '';
  return text => {
    const parts = (rest + text).split(end);
    rest = parts.pop();
    for (const part of parts) take(part);
  };
}

const json = take => text => { if (text.trim()) take(JSON.parse(text)); };

function lines(take) {
  return pieces('\n', json(take));
}

function parts(take) {
  return pieces(/--[\w-]+\r?\n/, part => json(take)(part.slice(part.indexOf('\r\n\r\n') + 1)));
}

function scripts(take) {
  return pieces('</script>', part => {
    const call = /<script>parent\.\w+\((.*)\)/s.exec(part);
    if (call) json(take)(call[1]);
  });
}

/* White space in front says that the server is there; where it was killed behind that there is no more. */
function callback(take) {
  return text => { if (text.trim()) json(take)(/^\s*\/\*\*\/\w+\((.*)\);\s*$/s.exec(text)[1]); };
}

/* An event's fields, by name; `data` of several lines is joined. */
function fields(block) {
  const event = {};
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w*): ?(.*)$/.exec(line) || [];
    if (name === 'data' && event.data !== undefined) event.data += '\n' + value;
    else if (name) event[name] = value;
  }
  return event;
}

/* The batch of format=json, one event. */
function eventsJson(take) {
  return pieces('\n\n', block => {
    const {event, data} = fields(block);
    if (data && event === undefined) take(JSON.parse(data)); // else it says why it ends
  });
}

/* Raw events: a message's id is the place of its channel in the cursor. */
function events(take, channels) {
  return pieces('\n\n', block => {
    const {event, data, id} = fields(block);
    if (event === 'gap') {
      take({messages: [], gap: JSON.parse(data), cursor: id});
    } else if (data !== undefined) {
      const channel = channels.length > 1 ? event : channels[0];
      if (!channels.includes(channel)) return;
      take({messages: [{channel, id: places(id)[channel], data: JSON.parse(data)}], cursor: id});
    } else if (id) {
      take({messages: [], cursor: id});
    }
  });
}

/* Endpoint, parameters, parser; `whole`: the answer ends behind its one batch. */
export const TRANSPORTS = {
  wait: {endpoint: 'wait', more: '&timeout=4', whole: true, parser: json},
  poll: {endpoint: 'poll', more: '', whole: true, pause: 300, parser: json},
  jsonp: {endpoint: 'jsonp', more: '&timeout=4&callback=cb', whole: true, parser: callback},
  events: {endpoint: 'events', more: '', parser: events},
  'events json': {endpoint: 'events', more: '&format=json', parser: eventsJson},
  stream: {endpoint: 'stream', more: '', parser: lines},
  multipart: {endpoint: 'multipart', more: '', parser: parts},
  iframe: {endpoint: 'iframe', more: '&callback=cb', parser: scripts},
  ws: {endpoint: 'ws', more: '', parser: json}
};

/* Ids, cursors and patterns: what the client reads of them (fcgi-app/PROTOCOL.md, "Words"). */

/* Does an id `<epoch>-<n>` come after another? */
function after(id, last) {
  const [e, n] = id.split('-').map(Number), [le, ln] = last.split('-').map(Number);
  return e > le || (e === le && n > ln);
}

/* Whether a message is later than what was noted of its channel; then it is noted. */
export function isNew(last, {channel, id}) {
  const yes = after(id, last.get(channel) || '0-0');
  if (!yes) return false;
  last.delete(channel);
  last.set(channel, id);
  if (last.size > 10000) last.delete(last.keys().next().value); // a pattern may bring any number
  return true;
}

/* A cursor's items by their channels, or patterns. */
export function placesOf(cursor) {
  const name = item => { try { return decodeURIComponent(item.split('@')[0].replace(/~/g, '%')); } catch (e) { return item; } };
  return new Map(cursor.split(',').filter(Boolean).map(item => [name(item), item]));
}

export const isPattern = name => name.includes('*'); // as no channel's name does
export function matches(pattern, name) {
  const [head] = pattern.split('*'), rest = name.slice(head.length);
  return isPattern(pattern) && name.startsWith(head) && rest && (pattern.endsWith('**') || !rest.includes('/'));
}

/* The name of a channel, or of {pattern}. */
export function nameOf(channel) {
  const name = channel?.pattern || channel;
  if (typeof name !== 'string' || channel.pattern && !isPattern(name)) throw new TypeError('subscribe: wants a name, or {pattern: "…/*"}');
  return name;
}

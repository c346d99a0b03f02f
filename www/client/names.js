/* Ids, cursors and patterns: what the client reads of them (fcgi-app/PROTOCOL.md, "Words"). */
import {attempt} from './tools.js';

/* Whether a message is later than what was noted of its channel; then it is noted. Ids are `<epoch>-<n>`. */
export function isNew(last, {channel, id}) {
  const [epoch, n] = id.split('-'), [lastEpoch, lastN] = (last.get(channel) || '0-0').split('-');
  if (!((epoch - lastEpoch || n - lastN) > 0)) return false;
  last.delete(channel);
  last.set(channel, id);
  if (last.size > 10000) last.delete(last.keys().next().value); // a pattern may bring any number
  return true;
}

/* A cursor's items by their channels, or patterns. */
export function placesOf(cursor) {
  const name = item => attempt(() => decodeURIComponent(item.split('@')[0].replace(/~/g, '%')), item);
  return new Map(cursor.split(',').filter(Boolean).map(item => [name(item), item]));
}

export const isPattern = name => name.includes('*'); // as no channel's name does

/* Whether a channel is what is named, or is among what a pattern stands for. */
export function covers(pattern, name) {
  const [head, one, deep] = pattern.split('*'), rest = name.slice(head.length);
  return pattern === name || one === '' && name.startsWith(head) && rest && (deep === '' || !rest.includes('/'));
}

/* The name of a channel, or of {pattern}. */
export function nameOf(channel) {
  const name = channel?.pattern || channel;
  if (typeof name !== 'string' || channel.pattern && !isPattern(name)) throw new TypeError('subscribe: wants a name, or {pattern}');
  encodeURIComponent(name); // half a character is none
  return name;
}

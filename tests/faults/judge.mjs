/*
 * What is owed to a reader, and whether it had it. Pure: fed with what was seen, it names
 * what was wrong.
 *
 * A reader that stands at <epoch>-<n> is owed <epoch>-<n+1> next. Where something else
 * comes, a gap must have been told in front of it, and a gap must not be told where the
 * next message is the next one. And of each publisher's numbers, every one that was
 * acknowledged comes once and in order, or its place lies within a told gap.
 */

export function position(id) {
  const [epoch, n] = id.split('-').map(Number);
  return {epoch, n};
}

function follows(before, id) {
  const next = position(id);
  if (before.epoch === next.epoch) return next.n === before.n + 1;
  return before.n === 0 && next.n === 1; // nothing had been said yet in the old epoch
}

/*
 * What only a worker that was stopped or cut off had heard is sequenced when it is back:
 * late, behind what others published meanwhile. It is counted, and no fault of a bare
 * publish; of all others it is.
 */
export const MAY_BE_LATE = new Set(['bare']);

/*
 * Where Redis lost its tail, what readers had of it already may be brought back by whoever
 * was not told that it is done: a worker, or a publisher who tries again. Then it comes once
 * more, in order, behind the gap into the new epoch. It is counted, and nowhere else allowed.
 */
const NOT_AGAIN = Infinity;

export const KINDS = ['lost', 'doubled', 'reordered', 'false gap', 'gap not told', 'differs', 'withheld'];

/* A reader's view of one channel. */
export class View {
  constructor(reader, channel, complain) {
    this.complain = (kind, text) => complain(kind, `${reader}, ${channel}: ${text}`);
    this.place = null; // {epoch, n}, or null before it is known
    this.ids = new Set();
    this.gaps = 0;
    this.inGaps = 0;
    this.everBroken = false;
    this.again = 0;
    this.streams = new Map(); // publisher -> {last, gapped, epoch, again: the last number that came once more}
  }

  /*
   * One batch's share of this channel: whether a gap was told in it, its messages
   * [{id, data: {p, n}}], and where the reader stands afterwards (an id).
   */
  batch(gap, messages, after) {
    const before = this.place;
    this.broken = false;
    if (gap) this.gaps++;
    if (gap && !before) this.#break();
    for (const message of messages) {
      if (this.place && !follows(this.place, message.id)) this.#hole(gap, message.id);
      else if (gap && this.place && position(message.id).epoch !== this.place.epoch) this.#break(); // another Redis: who knows?
      this.#take(message);
    }
    const end = after ? position(after) : this.place;
    if (end && this.place && (end.epoch !== this.place.epoch || end.n !== this.place.n)) {
      if (end.n !== 0 || this.place.n !== 0 || gap) this.#hole(gap, `the place ${after}`);
    }
    if (gap && before && !this.broken) this.complain('false gap', `at ${before.epoch}-${before.n}`);
    if (end) this.place = end;
  }

  /* Whatever was sent at this place may be missing. */
  #break() {
    this.broken = this.everBroken = true;
    for (const stream of this.streams.values()) stream.gapped = true;
  }

  #hole(gap, what) {
    if (gap) this.#break();
    else this.complain('gap not told', `${this.#here()} is followed by ${what}`);
  }

  #here() {
    return `${this.place.epoch}-${this.place.n}`;
  }

  #take({id, data}) {
    if (this.ids.has(id)) this.complain('doubled', id);
    this.ids.add(id);
    this.place = position(id);
    if (data?.p === undefined) return;
    const stream = this.#streamOf(data.p);
    if (stream.epoch !== this.place.epoch) stream.again = stream.gapped ? 0 : NOT_AGAIN;
    stream.epoch = this.place.epoch;
    if (data.n <= stream.last && data.n > stream.again) this.#again(stream, data.n);
    else if (data.n === stream.last) this.complain('doubled', `${data.p} ${data.n} as ${id}`);
    else if (data.n < stream.last && MAY_BE_LATE.has(data.p)) this.#late(stream, data.n, id);
    else if (data.n < stream.last) this.complain('reordered', `${data.p} ${data.n} behind ${stream.last} as ${id}`);
    else if (data.n > stream.last + 1) stream.jumps.push({from: stream.last, to: data.n, gapped: stream.gapped, id});
    if (data.n > stream.last) stream.again = NOT_AGAIN;
    stream.last = Math.max(stream.last, data.n);
    stream.gapped = false;
  }

  #streamOf(publisher) {
    const none = {last: 0, gapped: this.everBroken, jumps: [], late: new Set(), again: NOT_AGAIN};
    if (!this.streams.has(publisher)) this.streams.set(publisher, none);
    return this.streams.get(publisher);
  }

  #again(stream, n) {
    stream.again = n;
    this.again++;
  }

  #late(stream, n, id) {
    if (stream.late.has(n)) this.complain('doubled', `${n} as ${id}, late`);
    else if (!stream.jumps.some(({from, to}) => n > from && n < to)) this.complain('doubled', `${n} again as ${id}`);
    stream.late.add(n);
  }

  get lateCount() {
    return [...this.streams.values()].reduce((sum, stream) => sum + stream.late.size, 0);
  }

  /* `acknowledged`: publisher -> Set of the numbers that it was promised. */
  finish(acknowledged) {
    for (const [publisher, numbers] of acknowledged) {
      const stream = this.#streamOf(publisher);
      const jumps = [...stream.jumps, {from: stream.last, to: Infinity, gapped: stream.gapped, id: 'the end'}];
      let most = 0;
      for (const n of numbers) most = Math.max(most, n);
      for (const {from, to, gapped, id} of jumps) {
        const missing = [];
        for (let n = from + 1; n < Math.min(to, most + 1); n++) {
          if (numbers.has(n) && !stream.late.has(n)) missing.push(n);
        }
        if (gapped) this.inGaps += missing.length;
        else if (missing.length > 0) this.complain('lost', `${publisher} ${missing.slice(0, 8)} (${missing.length}) before ${id}`);
      }
    }
  }

  /* What history holds in the end, from where this reader began: all of it was owed. */
  mustHave(ids) {
    const missing = ids.filter(id => !this.ids.has(id));
    if (missing.length > 0) this.complain('withheld', `${missing.length} that history holds: ${missing.slice(0, 5)}`);
  }
}

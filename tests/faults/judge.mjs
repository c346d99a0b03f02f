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
 * What comes behind what was published after it, comes late. That is counted, and allowed
 * within a told gap alone: whatever lies between the two was told to be missing.
 *
 * Where Redis lost its tail, what readers had of it already may be brought back by whoever
 * was not told that it is done: a worker, or a publisher who tries again. Then it comes once
 * more in the new epoch, behind the gap into it and in order, or behind a gap of its own. It
 * is counted, and nowhere else allowed.
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
    this.holes = []; // what the told gaps leapt over, as words
    this.streams = new Map(); // by publisher, see #streamOf
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
    for (const stream of this.streams.values()) stream.gapped = stream.open = true;
  }

  #hole(gap, what) {
    if (gap) {
      this.holes.push(`${this.#here()} to ${what}`);
      this.#break();
    } else this.complain('gap not told', `${this.#here()} is followed by ${what}`);
  }

  #here() {
    return `${this.place.epoch}-${this.place.n}`;
  }

  #take({id, data}) {
    if (this.ids.has(id)) this.complain('doubled', id);
    this.ids.add(id);
    this.place = position(id);
    if (data?.p === undefined) return;
    this.#judge(this.#streamOf(data.p), data, id);
  }

  #judge(stream, {p, n}, id) {
    if (stream.epoch !== this.place.epoch) {
      Object.assign(stream, {epoch: this.place.epoch, again: stream.gapped ? 0 : NOT_AGAIN, lossy: stream.gapped, here: new Set()});
    }
    const mayBeAgain = stream.lossy && !stream.here.has(n);
    if (stream.seen.has(n) && !mayBeAgain) {
      this.complain('doubled', `${p} ${n} as ${id}`);
    } else if (n < stream.previous && !stream.gapped) {
      this.complain('reordered', `${p} ${n} behind ${stream.previous} as ${id}`);
    } else if (stream.seen.has(n)) {
      if (n > stream.again || stream.gapped) this.#again(stream, n); else this.complain('doubled', `${p} ${n} as ${id}`);
    } else if (n < stream.last) {
      stream.late++;
    } else if (n > stream.last + 1) {
      stream.jumps.push({from: stream.last, to: n, gapped: stream.open, id});
    }
    if (n > stream.last) Object.assign(stream, {last: n, open: false, again: NOT_AGAIN});
    stream.seen.add(n);
    stream.here.add(n);
    Object.assign(stream, {previous: n, gapped: false});
  }

  /*
   * Of one publisher: the last number that came, and the greatest; whether a gap was told since
   * then; what came at all, and in this epoch, and whether that began with a gap; and the last
   * number that came once more.
   */
  #streamOf(publisher) {
    const none = {previous: 0, last: 0, gapped: this.everBroken, open: this.everBroken, jumps: [], late: 0,
      seen: new Set(), here: new Set(), lossy: false, again: NOT_AGAIN};
    if (!this.streams.has(publisher)) this.streams.set(publisher, none);
    return this.streams.get(publisher);
  }

  #again(stream, n) {
    stream.again = n;
    this.again++;
  }

  get lateCount() {
    return [...this.streams.values()].reduce((sum, stream) => sum + stream.late, 0);
  }

  /* `acknowledged`: publisher -> Set of the numbers that it was promised. */
  finish(acknowledged) {
    for (const [publisher, numbers] of acknowledged) {
      const stream = this.#streamOf(publisher);
      const jumps = [...stream.jumps, {from: stream.last, to: Infinity, gapped: stream.open, id: 'the end'}];
      let most = 0;
      for (const n of numbers) most = Math.max(most, n);
      for (const {from, to, gapped, id} of jumps) {
        const missing = [];
        for (let n = from + 1; n < Math.min(to, most + 1); n++) {
          if (numbers.has(n) && !stream.seen.has(n)) missing.push(n);
        }
        if (gapped) this.inGaps += missing.length;
        else if (missing.length > 0) this.complain('lost', `${publisher} ${missing.slice(0, 8)} (${missing.length}) before ${id}`);
      }
    }
  }

  /* What history holds in the end, from where this reader began: all of it was owed. */
  mustHave(ids) {
    const missing = ids.filter(id => !this.ids.has(id));
    const leapt = id => this.holes.filter(hole => hole.startsWith(`${position(id).epoch}-`)).slice(-2).join('; ');
    if (missing.length > 0) this.complain('withheld', `${missing.length} that history holds: ${missing.slice(0, 5)} (gaps told from ${leapt(missing[0])})`);
  }
}

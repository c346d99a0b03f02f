/* Web Locks of paper, for tabs that are clients of one process. */

/* One lock a name, in the order of asking, unless it is stolen. */
export function paperLocks() {
  const all = new Map();
  const run = lock => {
    if (lock.held || !lock.queue.length) return;
    const mine = lock.held = lock.queue.shift();
    Promise.resolve(mine.hold()).then(mine.done, mine.fail).then(() => {
      if (lock.held !== mine) return;
      lock.held = null;
      run(lock);
    });
  };
  return {
    request: (name, {signal, steal}, hold) => new Promise((done, fail) => {
      if (!all.has(name)) all.set(name, {held: null, queue: []});
      const lock = all.get(name), mine = {hold, done, fail}, lost = () => fail(new Error('AbortError'));
      if (steal && lock.held) {
        lock.held.fail(new Error('AbortError: stolen'));
        lock.held = null;
      }
      steal ? lock.queue.unshift(mine) : lock.queue.push(mine);
      if (signal) signal.addEventListener('abort', () => {
        const at = lock.queue.indexOf(mine);
        if (at >= 0) { lock.queue.splice(at, 1); lost(); }
      });
      run(lock);
    })
  };
}

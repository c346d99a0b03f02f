/* Waits for a fact instead of for a time: `look` until it gives something true. */
export async function until(look, what = String(look), seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > end) throw new Error(`still not so after ${seconds} s: ${what}`);
    await new Promise(done => setTimeout(done, 10));
  }
}

export const sleep = ms => new Promise(done => setTimeout(done, ms));

/* Pages (visitors.mjs) and the site beside them (site.mjs), as who measures sees them. */
import {fork} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {setTimeout as pause} from 'node:timers/promises';

function start(file, options) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(options)]);
  child.ended = new Promise(done => child.on('exit', done));
  return child;
}

/* The next of what a child says that has this. */
function next(child, name) {
  return new Promise((done, fail) => {
    const look = said => {
      if (!(name in said)) return;
      child.off('message', look);
      done(said);
    };
    child.on('message', look);
    child.ended.then(code => fail(new Error(`it ended with ${code}`)));
  });
}

function end(child) {
  if (child.connected) child.disconnect();
  return child.ended;
}

/* way: waits or streams. */
export function startVisitors(port, way, channel) {
  const child = start('visitors.mjs', {port, way, channel});
  return {
    add: count => child.send({add: count}),
    anew: () => child.send({anew: true}),
    async said() {
      const answer = next(child, 'pages');
      child.send({say: true});
      const {got, ...others} = await answer;
      return {...others, got: new Map(got)};
    },
    end: () => end(child)
  };
}

function p99(times) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
}

export function startSite(port) {
  const child = start('site.mjs', {port});
  const looks = []; // {held, at}
  child.on('message', said => { if ('held' in said) looks.push(said); });
  return {
    looks,
    watch: on => child.send({watch: on}),

    /* p99 of each kind of request in so many seconds, in ms, and errors. */
    async probed(seconds) {
      const answer = next(child, 'seen');
      child.send({probe: true});
      await pause(seconds * 1000);
      child.send({probe: false});
      const {seen: {file, poll, publish, errors, first_error}} = await answer;
      return {file_ms: p99(file), poll_ms: p99(poll), publish_ms: p99(publish), errors, first_error};
    },
    end: () => end(child)
  };
}

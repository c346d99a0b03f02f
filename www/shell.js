/* Shows at the head of a line for a shell where Redis is. Only `make run` says it (feeds/shell.sh),
 * on a channel that no visitor may publish to. */
'use strict';

function followShell(halley, line) {
  const rest = line.textContent.replace(/^redis-cli/, '');
  halley.subscribe('shell', ({data}) => {
    if (data && typeof data.redis === 'string') line.textContent = data.redis + rest;
  }, {since: '-1'});
}

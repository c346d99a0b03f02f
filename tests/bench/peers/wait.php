<?php
/* Long polling as a PHP script does it without Halley: a process of php-fpm a waiter,
 * blocked on a stream in Redis.
 *
 *   GET  /wait[?since=CURSOR]   the next cursor, and a line for each message after CURSOR
 *   POST /publish               the body is the message
 *
 * REDIS_SOCKET (a FastCGI parameter) says where Redis is.
 */

const STREAM = 'bench';
const WAIT_MS = 25000;

function command($redis, ...$words) {
    $text = '*' . count($words) . "\r\n";
    foreach ($words as $word)
        $text .= '$' . strlen($word) . "\r\n$word\r\n";
    fwrite($redis, $text);
    return reply($redis);
}

function reply($redis) {
    $line = fgets($redis);
    if ($line === false)
        fail('Redis has gone');
    $rest = substr($line, 1, -2);
    switch ($line[0]) {
    case '*':
        return array_map(fn() => reply($redis), $rest > 0 ? range(1, $rest) : []);
    case '$':
        return $rest < 0 ? null : substr(stream_get_contents($redis, $rest + 2), 0, -2);
    case '-':
        fail($rest);
    default:
        return $rest;
    }
}

function fail($why) {
    http_response_code(503);
    exit("$why\n");
}

function last_id($redis) {
    $newest = command($redis, 'XREVRANGE', STREAM, '+', '-', 'COUNT', '1');
    return $newest ? $newest[0][0] : '0-0';
}

/* Prints what came after this place, waiting for it. */
function wait_for($redis, $since) {
    $streams = command($redis, 'XREAD', 'BLOCK', WAIT_MS, 'STREAMS', STREAM, $since);
    $entries = $streams ? $streams[0][1] : [];
    echo $entries ? end($entries)[0] : $since, "\n";
    foreach ($entries as $entry)
        echo $entry[1][1], "\n";
}

$redis = @stream_socket_client('unix://' . $_SERVER['REDIS_SOCKET']) or fail('no Redis');
stream_set_timeout($redis, 60);
header('Content-Type: text/plain');
header('Cache-Control: no-store');
if ($_SERVER['REQUEST_METHOD'] === 'POST')
    command($redis, 'XADD', STREAM, 'MAXLEN', '~', '1000', '*', 'data', file_get_contents('php://input'));
else
    wait_for($redis, $_GET['since'] ?? last_id($redis));

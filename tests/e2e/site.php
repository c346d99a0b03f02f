<?php
// A site that is asked who may (the option authorize), for the tests of it: who brings the cookie
// session=alice may do everything, bob read, anybody else nothing; and channels at which the site
// itself is in trouble. What it is asked goes into $SITE_LOG.
$session = $_COOKIE['session'] ?? '';
file_put_contents(getenv('SITE_LOG'), "{$_SERVER['REQUEST_URI']} [$session] "
    . ($_SERVER['HTTP_AUTHORIZATION'] ?? '') . "\n", FILE_APPEND);
switch (strtok($_GET['channel'], '-')) {
    case 'hangs': sleep(60); break;
    case 'large': echo str_repeat('x', 10 << 20); exit;
    case 'elsewhere': header('Location: http://127.0.0.1/yes', true, 302); exit;
    case 'broken': http_response_code(500); exit;
    case 'held': header('Cache-Control: private, max-age=600'); break;
    case 'slow': usleep(400000); break;
    case 'late': sleep(3); break;
    case 'unlisted': if (file_exists(getenv('SITE_LOG') . '.closed')) { http_response_code(403); exit; }
}
$may = ['alice' => true, 'bob' => $_GET['verb'] === 'subscribe'];
http_response_code($session === '' ? 401 : (($may[$session] ?? false) ? 204 : 403));

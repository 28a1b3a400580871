<?php
// A stand-in of Deskie's API and of its webhooks in the language that the real one answers in: PHP's own parsing of forms and
// files with their limits, json_encode, http_build_query, and curl as the sender. Facts: docs/deskie-api.md. For
// tests/outside/php, under php-fpm; the folder in DESKIE_STATE holds all that it knows.
//
// Beside the API: POST /_people does what an agent or a customer does, GET /_books shows everything, POST /_fault with
// {"kind", "times"} spoils the next calls of the API, PUT /_webhook says where and how webhooks go.

ini_set('display_errors', '0');
ini_set('memory_limit', '1G');
date_default_timezone_set('Europe/Istanbul');
const STAFF = 7235;
const CHANNEL = 'cch3';

$folder = $_SERVER['DESKIE_STATE'];
$lock = fopen("$folder/lock", 'c');
flock($lock, LOCK_EX);
$file = "$folder/books";
$books = is_file($file) ? unserialize(file_get_contents($file))
    : ['next' => 638929422, 'users' => [], 'cases' => [], 'messages' => [], 'fault' => null, 'webhook' => null];

function save(): void
{
    global $books, $file;
    file_put_contents($file, serialize($books));
}

function number(): int
{
    global $books;
    return $books['next']++;
}

function answer(mixed $value, int $status = 200, int $flags = 0): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('rate_limit_per_minute: 60000');
    header('api_calls_left: 59000');
    save();
    // What json_encode cannot write it answers with false, which `echo` shows as nothing.
    echo json_encode($value, $flags);
    after();
}

function refuse(string $code, int $status = 400): never
{
    answer(['error' => $code], $status);
}

// What comes once the caller has its answer: webhooks.
function after(): never
{
    global $lock, $call;
    flock($lock, LOCK_UN);
    if (function_exists('fastcgi_finish_request')) {
        fastcgi_finish_request();
    }
    if ($call !== null) {
        webhook(...$call);
    }
    exit;
}

function listed(string $root, array $entries): array
{
    $page = max(1, (int) ($_GET['page'] ?? 1));
    $limit = min(100, max(1, (int) ($_GET['limit'] ?? 100)));
    $list = [];
    foreach (array_slice(array_values($entries), ($page - 1) * $limit, $limit) as $entry) {
        $list[] = [$root => $entry];
    }
    return $list + ['total_count' => count($entries)];
}

// What a call brought: JSON, or a form with its files as PHP hands them over.
function given(string $root): array
{
    if (str_contains($_SERVER['CONTENT_TYPE'] ?? '', 'json')) {
        return json_decode(file_get_contents('php://input'), true)[$root] ?? [];
    }
    $given = $_POST[$root] ?? [];
    foreach ($_FILES[$root]['error']['attachments'] ?? [] as $place => $error) {
        // What PHP did not take, is over a limit or broke off: left out, as by code that looks at nothing but the good ones.
        if ($error === UPLOAD_ERR_OK) {
            $given['files'][] = ['file_name' => $_FILES[$root]['name']['attachments'][$place],
                'mime_type' => $_FILES[$root]['type']['attachments'][$place],
                'bytes' => file_get_contents($_FILES[$root]['tmp_name']['attachments'][$place])];
        }
    }
    return $given;
}

function attached(array $files): array
{
    global $folder;
    $attached = [];
    foreach ($files as $one) {
        $id = number();
        file_put_contents("$folder/file-$id", $one['bytes']);
        $attached[] = ['file_id' => $id, 'file_name' => $one['file_name'], 'file_size' => strlen($one['bytes']),
            'mime_type' => $one['mime_type'], 'url' => "http://{$_SERVER['HTTP_HOST']}/files/$id"];
    }
    return $attached;
}

function user_of(array $given): ?int
{
    global $books;
    $contact = array_filter(['user_email' => $given['user_email'] ?? '', 'user_phone' => $given['user_phone'] ?? '',
        'user_custom_id' => $given['user_custom_id'] ?? '']);
    if ($contact === [] || isset($contact['user_email']) && !filter_var($contact['user_email'], FILTER_VALIDATE_EMAIL)) {
        return null;
    }
    foreach ($books['users'] as $id => $user) {
        if (array_intersect_assoc($contact, $user)) {
            return $id;
        }
    }
    $id = number();
    $books['users'][$id] = ['user_id' => $id, 'user_full_name' => $given['user_full_name'] ?? '', 'active' => true,
        'linked_users' => [], 'type' => isset($contact['user_custom_id']) ? 'custom' : 'email'] + $contact;
    return $id;
}

function message(int $case, array $given, int $user, int $staff, bool $note = false): int
{
    global $books;
    $id = number();
    $time = isset($given['created_at']) ? (int) $given['created_at'] : time();
    $books['messages'][$case][$id] = ['message_id' => $id, 'user_id' => $user, 'staff_id' => $staff,
        'content' => (string) ($given['content'] ?? ''), 'content_html' => (string) ($given['content_html'] ?? ''),
        'attachments' => attached($given['files'] ?? []), 'note' => $note, 'sent_via_rule' => false,
        'created_at' => date('r', $time), 'sent_at' => date('r', $time)];
    $books['cases'][$case]['updated_at'] = date('r');
    return $id;
}

// A text filter: a part, or the whole between carets.
function fits(mixed $wanted, mixed $value): bool
{
    $wanted = (string) $wanted;
    return str_starts_with($wanted, '^') && str_ends_with($wanted, '^') ? trim($wanted, '^') === (string) $value
        : mb_stripos((string) $value, $wanted) !== false;
}

function filtered(array $cases): array
{
    global $books;
    $time = fn (string $text): int => is_numeric($text) ? (int) $text : strtotime($text);
    $cases = array_filter($cases, function (array $case) use ($books, $time): bool {
        foreach ($_GET as $name => $wanted) {
            $user = $books['users'][$case['user_id']];
            $holds = match ($name) {
                'user_email', 'user_phone' => fits($wanted, $user[$name] ?? ''),
                'user_custom_id' => ($user[$name] ?? '') === $wanted,
                'user_id' => $case['user_id'] === (int) $wanted,
                'channel' => $case['channel'] === $wanted,
                'custom_fields' => array_reduce(array_keys($wanted),
                    fn (bool $all, string $field) => $all && fits($wanted[$field], $case['custom_fields'][$field] ?? ''), true),
                'from_time' => strtotime($case['created_at']) >= $time($wanted),
                'to_time' => strtotime($case['created_at']) <= $time($wanted),
                'from_updated_time' => strtotime($case['updated_at']) >= $time($wanted),
                'to_updated_time' => strtotime($case['updated_at']) <= $time($wanted),
                default => true,
            };
            if (!$holds) {
                return false;
            }
        }
        return true;
    });
    [$by, $way] = sscanf($_GET['sort'] ?? 'created_at_desc', '%[a-z]_at_%s');
    usort($cases, fn (array $a, array $b) => strtotime($a["{$by}_at"]) <=> strtotime($b["{$by}_at"])
        ?: $a['case_id'] <=> $b['case_id']);
    return $way === 'desc' ? array_reverse($cases) : $cases;
}

// The webhook for a message, as the rule or the channel was set up.
function webhook(int $case, int $id): void
{
    global $books;
    $how = $books['webhook'];
    if ($how === null) {
        return;
    }
    $message = $books['messages'][$case][$id];
    $user = $books['cases'][$case]['user_id'];
    $fields = ['case_number' => $books['cases'][$case]['case_number'], 'case_id' => (string) $case,
        'case_subject' => $books['cases'][$case]['subject'], 'last_message' => $message['content_html'],
        'last_message_id' => (string) $id, 'last_staff_id' => (string) $message['staff_id'],
        'custom_field_25' => $books['cases'][$case]['custom_fields']['cf_25'] ?? ''];
    if ($books['cases'][$case]['channel'] === CHANNEL && $message['staff_id'] > 0) {
        $fields = ['type' => 'message_new', 'object' => ['message_id' => $id, 'case_id' => $case, 'staff_id' => STAFF,
            'user_id' => $user, 'custom_user_id' => $books['users'][$user]['user_custom_id'] ?? '',
            'content' => html_entity_decode(strip_tags($message['content_html'])), 'note' => false, 'sent_via_rule' => false,
            'attachments' => array_map(fn ($one) => ['url' => $one['url']], $message['attachments'])]];
    }
    $charset = $how['charset'] ?? 'UTF-8';
    array_walk_recursive($fields, function (&$value) use ($charset) {
        $value = is_string($value) ? iconv('UTF-8', "$charset//IGNORE", $value) : $value;
    });
    $told = $charset === 'UTF-8' ? '' : "; charset=$charset";
    $curl = curl_init($how['url']);
    [$type, $body] = match ($how['form']) {
        'form' => ["application/x-www-form-urlencoded$told", http_build_query($fields)],
        'json' => ["application/json$told", json_encode($fields)],
        'pretty' => ["application/json$told", json_encode($fields, JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES)],
        'encoded' => ["application/json$told", rawurlencode(json_encode($fields))],
        'gzip' => ["application/json$told", gzencode(json_encode($fields))],
        // An array of curl's is multipart/form-data.
        'parts' => [null, $fields],
        'query' => [null, null],
    };
    if ($how['form'] === 'query') {
        curl_setopt($curl, CURLOPT_URL, $how['url'] . '?' . http_build_query($fields));
        curl_setopt($curl, CURLOPT_CUSTOMREQUEST, $how['method'] ?? 'GET');
    } else {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
        curl_setopt($curl, CURLOPT_CUSTOMREQUEST, $how['method'] ?? 'POST');
        if ($type !== null) {
            curl_setopt($curl, CURLOPT_HTTPHEADER, ["Content-Type: $type", ...($how['form'] === 'gzip' ? ['Content-Encoding: gzip'] : [])]);
        }
    }
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 5, CURLOPT_FOLLOWLOCATION => true]);
    curl_exec($curl);
    global $folder;
    file_put_contents("$folder/webhooks", "{$how['form']} $id " . curl_getinfo($curl, CURLINFO_RESPONSE_CODE) . "\n", FILE_APPEND);
}

// Before the call is done, or after: what goes wrong around PHP programs. What returns lets the call go on.
function spoil(string $kind, bool $is_done): void
{
    $page = fn (string $text) => print("<html><head><title>$text</title></head><body><h1>$text</h1></body></html>\n");
    $ends = function () use ($is_done): never {
        if ($is_done) {
            save();
        }
        exit;
    };
    switch ($kind) {
        case 'notice':
            ini_set('display_errors', '1');
            ini_set('html_errors', '1');
            trigger_error('Undefined array key "locale"', E_USER_WARNING);
            return;
        case 'bom':
            echo "\xEF\xBB\xBF";
            return;
        case 'behind':
            register_shutdown_function(fn () => print("\n<!-- 0.113 s, web-3 -->"));
            return;
        case 'maintenance':
            http_response_code(503);
            header('Retry-After: 3');
            $page('Bakım çalışması');
            $ends();
        case 'maintenance 200':
            $page('Технические работы');
            $ends();
        case 'unpaid':
            http_response_code(402);
            $page('Ödeme gerekli');
            $ends();
        case 'challenge':
            http_response_code(403);
            $page('Just a moment...');
            $ends();
        case 'moved':
            http_response_code(301);
            header('Location: /maintenance.html');
            $ends();
        case 'empty':
            $ends();
        case 'null':
            header('Content-Type: application/json');
            echo 'null';
            $ends();
        case 'limit 200':
            header('Content-Type: application/json');
            echo json_encode(['error' => 'too_many_requests']);
            $ends();
        // An exception that nobody caught: 500 and nothing, or 200 and its text, as display_errors says.
        case 'exception':
        case 'exception shown':
            ini_set('display_errors', $kind === 'exception' ? '0' : '1');
            if ($is_done) {
                save();
            }
            throw new RuntimeException('SQLSTATE[HY000] [2002] Connection refused');
        case 'memory':
            if ($is_done) {
                save();
            }
            ini_set('memory_limit', '8M');
            str_repeat('x', 64 << 20);
    }
}

function people(): never
{
    global $books, $call;
    $do = json_decode(file_get_contents('php://input'), true) ?? $_POST;
    $case = (int) ($do['case'] ?? array_key_last($books['cases']));
    $given = ['content_html' => $do['html'] ?? '', 'content' => $do['text'] ?? ''];
    if (isset($do['bytes'])) {
        $given['content_html'] = base64_decode($do['bytes']);
    }
    foreach ($do['files'] ?? [] as $name => $bytes) {
        $given['files'][] = ['file_name' => $name, 'mime_type' => 'application/octet-stream', 'bytes' => base64_decode($bytes)];
    }
    $user = $books['cases'][$case]['user_id'];
    $id = match ($do['do']) {
        'agent_reply' => message($case, $given, 0, STAFF),
        'customer_mail_reply' => message($case, $given, $user, 0),
        'note' => message($case, $given, 0, STAFF, true),
    };
    $call = [$case, $id];
    answer(['message_id' => $id]);
}

$call = null;
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$method = $_SERVER['REQUEST_METHOD'];
if ($path === '/_people') {
    people();
}
if ($path === '/_books') {
    answer($books, 200, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
}
if ($path === '/_fault' || $path === '/_webhook') {
    $books[substr($path, 2)] = json_decode(file_get_contents('php://input'), true);
    answer([]);
}

if (($_SERVER['PHP_AUTH_USER'] ?? '') !== 'api@example.com' || ($_SERVER['PHP_AUTH_PW'] ?? '') !== 'simulator-key') {
    refuse('incorrect_api_key', 401);
}
if (preg_match('~^/files/(\d+)$~', $path, $found) && is_file("$folder/file-$found[1]")) {
    header('Content-Type: application/octet-stream');
    readfile("$folder/file-$found[1]");
    after();
}

$fault = $books['fault'];
if ($fault !== null && $fault['times'] > 0 && ($method !== 'GET' || empty($fault['writes']))) {
    $books['fault']['times']--;
    save();
    if (empty($fault['done'])) {
        spoil($fault['kind'], false);
    }
} else {
    $fault = null;
}
// The answer to something that was done, which a fault may yet spoil.
function done(mixed $value): never
{
    global $fault;
    if (!empty($fault['done'])) {
        spoil($fault['kind'], true);
    }
    answer($value);
}

if ($path === '/api/cases.json' && $method === 'GET') {
    answer(listed('case', filtered($books['cases'])));
}
if ($path === '/api/cases.json') {
    $given = given('case');
    $user = user_of($given) ?? refuse('incorrect_user_email');
    if (trim($given['subject'] ?? '') === '') {
        refuse('subject_empty');
    }
    $id = number();
    $books['cases'][$id] = ['case_id' => $id, 'case_number' => sprintf('%03d-%06d', $id % 1000, $id % 1000000),
        'subject' => $given['subject'], 'user_id' => $user, 'staff_id' => 0, 'group_id' => 44, 'status' => 'waiting',
        'priority' => 'normal', 'channel' => $given['channel'] ?? 'web', 'recipient' => $given['user_email'] ?? '',
        'recipient_cc' => '', 'recipient_bcc' => '', 'deleted' => false, 'spam' => false, 'created_at' => date('r'),
        'updated_at' => date('r'), 'closed_at' => '-', 'parent_case_id' => 0, 'language_id' => 2,
        'custom_fields' => $given['custom_fields'] ?? [], 'labels' => array_map('intval', $given['labels'] ?? [])];
    message($id, $given, $user, 0);
    done(['case' => $books['cases'][$id]]);
}
if (preg_match('~^/api/cases/(\d+)(?:/(messages|note)(?:/(\d+))?)?\.json$~', $path, $found)) {
    $case = (int) $found[1];
    if (!isset($books['cases'][$case])) {
        refuse('case_not_found', 404);
    }
    $what = $found[2] ?? '';
    if ($what === '' && $method === 'GET') {
        answer(['case' => $books['cases'][$case]]);
    }
    if ($what === '') {
        $books['cases'][$case] = array_merge($books['cases'][$case], array_intersect_key(given('case'), ['status' => 1]));
        done(['case' => $books['cases'][$case]]);
    }
    if ($what === 'messages' && $method === 'GET') {
        $entries = $books['messages'][$case] ?? [];
        answer(listed('message', ($_GET['order'] ?? 'asc') === 'desc' ? array_reverse($entries) : $entries));
    }
    if ($method === 'POST') {
        $given = given($what === 'note' ? 'note' : 'message');
        if (trim(($given['content'] ?? '') . ($given['content_html'] ?? '')) === '') {
            refuse('content_empty');
        }
        $id = message($case, $given, (int) ($given['user_id'] ?? 0), (int) ($given['staff_id'] ?? 0), $what === 'note');
        $call = [$case, $id];
        done(['message' => $books['messages'][$case][$id]]);
    }
}
if (preg_match('~^/api/users/(\d+)\.json$~', $path, $found) && isset($books['users'][$found[1]])) {
    answer(['user' => $books['users'][$found[1]]]);
}
match ($path) {
    '/api/custom_fields.json' => answer(listed('custom_field', [['field_id' => 25, 'title' => 'Site', 'field_type' => 'text',
        'field_level' => 'case', 'active' => true, 'field_data' => []]])),
    '/api/custom_channels.json' => answer(listed('custom_channel', [['channel_id' => 3, 'channel_api_key' => CHANNEL,
        'title' => 'Sohbet', 'channel_type' => 'async', 'icon' => '', 'webhook_url' => '', 'active' => true]])),
    '/api/staff.json' => answer(listed('staff', [['staff_id' => STAFF, 'staff_full_name' => 'Deniz Şahin',
        'staff_email' => 'deniz@example.com', 'active' => true]])),
    '/api/labels.json' => answer(''),
    default => refuse('not_found', 404),
};

#!/usr/bin/env bash
# PHP 8.2.36 (Debian 12's php-cli), requests 2.32.5, httpx 0.28.1, aiohttp 3.13.2 (PyPI), axios 1.13.2, superagent 10.2.3, got 11.8.6, needle 3.3.1 (npm), Node 20's fetch: nine ways to send one nested form to PHP, and what is in $_POST.
#
# Expected: a form is flat, so a client writes what is nested in brackets, which PHP and Rails read, or refuses it. What it sends it can also be sent.
# Seen: requests and Python's urlencode send a dict as its keys: custom_fields=cf_25, the values nowhere and no error; httpx writes Python's own form of it, got and URLSearchParams "[object Object]". Of those that
#   know brackets superagent writes no numbers into a list of objects, so that each file overwrites the one before, and needle gives each field of a file a row of its own, two files are four. Only
#   axios arrives whole. False is "False" or "false", to PHP true, from each of them.
# For the connector: it writes the brackets itself; try one's own client against a PHP that prints $_POST. An API that answers 200 to a field that is no list tells nobody.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" requests==2.32.5 httpx==0.28.1 aiohttp==3.13.2 2>pip.log || { cat pip.log; exit 1; }
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" axios@1.13.2 superagent@10.2.3 got@11.8.6 needle@3.3.1
cat >receive.php <<'PHP'
<?php
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    file_put_contents('received', substr($_SERVER['REQUEST_URI'], 1) . ': ' . json_encode($_POST, JSON_UNESCAPED_SLASHES) . "\n", FILE_APPEND);
}
PHP
serve receive.php
cat >form.json <<'JSON'
{ "custom_fields": { "cf_25": "42" }, "labels": [101, 102], "files": [{ "name": "a", "size": 1 }, { "name": "b", "size": 2 }], "closed": false }
JSON
cat >send.py <<'PY'
import asyncio, json, sys, urllib.parse, urllib.request
import aiohttp, httpx, requests
form, url = json.load(open("form.json")), sys.argv[1]
requests.post(url + "requests", data=form)
httpx.post(url + "httpx", data=form)
async def by_aiohttp():
    async with aiohttp.ClientSession() as session:
        await session.post(url + "aiohttp", data=form)
asyncio.run(by_aiohttp())
urllib.request.urlopen(url + "urlencode", urllib.parse.urlencode(form, doseq=True).encode())
PY
cat >send.js <<'JS'
const form = require("./form.json"), url = process.argv[2];
(async () => {
  await require("axios").post(`${url}axios`, form, { headers: { "Content-Type": "application/x-www-form-urlencoded" } });
  await require("superagent").post(`${url}superagent`).type("form").send(form);
  await require("got").post(`${url}got`, { form });
  await require("needle")("post", `${url}needle`, form);
  await fetch(`${url}URLSearchParams`, { method: "POST", body: new URLSearchParams(form) });
})();
JS
PYTHONPATH=$work/py python3 send.py "http://127.0.0.1:$port/"
node send.js "http://127.0.0.1:$port/"
tee seen <received
diff seen - <<'SEEN'
requests: {"custom_fields":"cf_25","labels":"102","files":"size","closed":"False"}
httpx: {"custom_fields":"{'cf_25': '42'}","labels":"102","files":"{'name': 'b', 'size': 2}","closed":"false"}
aiohttp: {"custom_fields":"cf_25","labels":"102","files":"{'name': 'b', 'size': 2}","closed":"False"}
urlencode: {"custom_fields":"cf_25","labels":"102","files":"{'name': 'b', 'size': 2}","closed":"False"}
axios: {"custom_fields":{"cf_25":"42"},"labels":["101","102"],"files":[{"name":"a","size":"1"},{"name":"b","size":"2"}],"closed":"false"}
superagent: {"custom_fields":{"cf_25":"42"},"labels":"102","files":{"name":"b","size":"2"},"closed":"false"}
got: {"custom_fields":"[object Object]","labels":"101,102","files":"[object Object],[object Object]","closed":"false"}
needle: {"custom_fields":{"cf_25":"42"},"labels":["101","102"],"files":[{"name":"a"},{"size":"1"},{"name":"b"},{"size":"2"}],"closed":"false"}
URLSearchParams: {"custom_fields":"[object Object]","labels":"101,102","files":"[object Object],[object Object]","closed":"false"}
SEEN
echo "as described"

// A model of the reader's own: from a hub that the test plays on loopback, from files, by paste; kept, edited, found.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { chooseModel, launch, look, open, peak, settled, unfold } from './page.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CONFIG = {
  model_type: 'llama', vocab_size: 1000, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2,
  num_attention_heads: 4, num_key_value_heads: 2, tie_word_embeddings: true,
};
const COUNT = '138,048';

/** A safetensors file of that model, of which only the header is there. */
function weights(more = []) {
  const tensors = [['model.embed_tokens', [1000, 64]], ['model.norm', [64]], ...more];
  for (const layer of [0, 1]) {
    for (const [name, shape] of [
      ['self_attn.q_proj', [64, 64]], ['self_attn.k_proj', [32, 64]], ['self_attn.v_proj', [32, 64]],
      ['self_attn.o_proj', [64, 64]], ['mlp.gate_proj', [128, 64]], ['mlp.up_proj', [128, 64]],
      ['mlp.down_proj', [64, 128]], ['input_layernorm', [64]], ['post_attention_layernorm', [64]],
    ]) tensors.push([`model.layers.${layer}.${name}`, shape]);
  }
  let at = 0;
  const header = {};
  for (const [name, shape] of tensors) {
    const end = at + 2 * shape.reduce((product, size) => product * size, 1);
    header[`${name}.weight`] = { dtype: 'BF16', shape, data_offsets: [at, end] };
    at = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

let browser;
let server;
let hub;
const asked = [];
const answers = {
  'good/model': (answer) => answer.end(JSON.stringify(CONFIG)),
  'gated/model': (answer) => answer.writeHead(401).end('Access to model gated/model is restricted.'),
  'forbidden/model': (answer) => answer.writeHead(403).end('no'),
  'broken/model': (answer) => answer.writeHead(500).end('oops'),
  'html/model': (answer) => answer.end('<!doctype html><title>Sign in</title>'),
  'garbage/model': (answer) => answer.end(Buffer.from([0xff, 0xfe, 0, 1, 2, 3])),
  'strange/model': (answer) => answer.end('{"model_type":"no-such-type"}'),
  'slow/model': () => {},
  'long/model': (answer) => {
    const piece = Buffer.alloc(1 << 16, 'x');
    let left = 20_000_000;
    answer.long = 0;
    const more = () => {
      while (left > 0 && !answer.destroyed) {
        left -= piece.length;
        sent = 20_000_000 - left;
        if (!answer.write(piece)) return answer.once('drain', more);
      }
      answer.end();
    };
    more();
  },
};
let sent = 0;

before(async () => {
  browser = await launch();
  server = createServer((question, answer) => {
    asked.push({ url: question.url, headers: question.headers });
    answer.setHeader('Access-Control-Allow-Origin', '*');
    answer.setHeader('Access-Control-Allow-Headers', 'Range');
    if (question.method === 'OPTIONS') return answer.end();
    const [, owner, name, , , file] = question.url.split('/');
    if (file === 'model.safetensors' && owner === 'good') {
      const all = weights();
      const range = /bytes=(\d+)-(\d+)/.exec(question.headers.range ?? '');
      if (!range) return answer.end(all);
      return answer.writeHead(206).end(all.subarray(Number(range[1]), Number(range[2]) + 1));
    }
    const known = file === 'config.json' && answers[`${owner}/${name}`];
    return known ? known(answer) : answer.writeHead(404).end('Entry not found');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  hub = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

/** The page with the panel open and the test's hub in it. */
async function atHub(options = {}) {
  const page = await open(browser, '', options);
  await page.click('.own > summary');
  await page.fill('#hub', hub);
  return page;
}

async function load(page, id) {
  await page.fill('#hub_id', id);
  await page.click('#hub-load');
}

test('a model is loaded from a hub, after the page has said what it will ask', async () => {
  const page = await atHub();
  const first = await look(page);
  const before = asked.length;
  await page.fill('#hub_id', 'good/model');
  await settled(page);
  const said = await page.textContent('#hub-asks');
  assert.ok(said.includes(`${hub}/good/model/resolve/main/config.json`), said);
  assert.equal(asked.length, before, 'nothing is asked before the reader says so');
  await page.click('#hub-load');
  await page.waitForFunction(() => location.search.includes('model=custom&family=llama&vocab=1000'));
  const then = await look(page);
  assert.notEqual(then.total, first.total);
  assert.equal(asked.length, before + 1);
  const { headers } = asked[before];
  assert.equal(headers.cookie ?? headers.authorization ?? headers.referer, undefined);
  assert.match(await page.inputValue('#model'), /^good\/model · 0\.14 M/);
  // The link opens without the hub.
  const link = page.url();
  const other = await open(browser, new URL(link).search);
  assert.equal(await peak(other), then.total);
  await page.goBack();
  assert.equal((await look(page)).total, first.total);
});

for (const [id, en, zh] of [
  ['gated/model', /gated or private/, /需要授权/],
  ['forbidden/model', /gated or private/, /需要授权/],
  ['missing/model', /Check the spelling/, /检查拼写/],
  ['broken/model', /status 500/, /状态码是 500/],
  ['html/model', /is no config\.json/, /不是 config\.json/],
  ['garbage/model', /is no config\.json/, /不是 config\.json/],
  ['long/model', /longer than 2,000,000 bytes/, /超过 2,000,000 字节/],
  ['strange/model', /"model_type": "no-such-type"/, /“no-such-type”/],
  ['not a name', /owner\/name/, /所有者\/名称/],
]) {
  test(`${id} gets its sentence in both languages, and nothing is lost`, async () => {
    const page = await atHub();
    const first = await look(page);
    await load(page, id);
    await page.waitForFunction(() => document.querySelector('#problems li'));
    assert.match(await page.textContent('#problems'), en);
    await page.click('[data-lang="zh"]');
    await settled(page);
    assert.match(await page.textContent('#problems'), zh);
    assert.equal(await page.inputValue('#hub_id'), id);
    const then = await look(page);
    assert.equal(then.total, first.total);
    assert.equal(then.address, first.address);
    if (id === 'long/model') assert.ok(sent < 19_000_000, `reading stopped, but ${sent} bytes were sent`);
    await load(page, 'good/model');
    await page.waitForFunction(() => !document.querySelector('#problems li'));
  });
}

test('a hub that does not answer is given up after its time, and one that is not there at once', async () => {
  const page = await atHub();
  await page.clock.install();
  await load(page, 'slow/model');
  await page.waitForFunction(() => document.querySelector('#hub-status').textContent !== '');
  await page.clock.runFor(21_000);
  await page.waitForFunction(() => document.querySelector('#problems li'));
  assert.match(await page.textContent('#problems'), /did not answer .* within 20 seconds/);
  await page.fill('#hub', 'http://127.0.0.1:9');
  await load(page, 'good/model');
  await page.clock.runFor(1000);
  await page.waitForFunction(() => document.querySelector('#problems li')?.textContent.includes('could not be reached'));
});

test('the weights of a hub are compared by their headers', async () => {
  const page = await atHub();
  await load(page, 'good/model');
  await page.waitForFunction(() => location.search.includes('vocab=1000'));
  await page.click('#hub-weights');
  await page.waitForFunction(() => document.querySelector('#weights').textContent !== '');
  assert.match(await page.textContent('#weights'), new RegExp(`${COUNT} parameters, exactly as many`));
  assert.ok(asked.some(({ url, headers }) => url.endsWith('model.safetensors') && headers.range === 'bytes=0-7'));
  await chooseModel(page, 'gpt2');
  await settled(page);
  assert.equal(await page.textContent('#weights'), '');
});

const file = (name, content) => ({ name, mimeType: 'application/json', buffer: Buffer.from(content) });

test('files are read together: a configuration, weights, an index', async () => {
  const page = await atHub();
  const head = [['lm_head', [1000, 64]]];
  await page.setInputFiles('#config-file', [
    file('config.json', JSON.stringify(CONFIG)), file('model.safetensors', weights(head)),
  ]);
  await page.waitForFunction(() => document.querySelector('#weights').textContent !== '');
  assert.match(await page.textContent('#weights'), /64,000 fewer\. Only in the file: lm_head\.weight/);
  const index = { metadata: { total_size: 276096 }, weight_map: { a: 'model.safetensors' } };
  await page.setInputFiles('#config-file', [file('model.safetensors.index.json', JSON.stringify(index))]);
  await page.waitForFunction(() => document.querySelector('#weights').textContent.includes('276,096 bytes: exactly 2'));
  await page.setInputFiles('#config-file', [file('model.safetensors', 'this is no file of weights')]);
  await page.waitForFunction(() => document.querySelector('#problems li'));
  assert.deepEqual(page.errors, []);
});

test('a file can be dropped', async () => {
  const page = await atHub();
  const data = await page.evaluateHandle((config) => {
    const data = new DataTransfer();
    data.items.add(new File([config], 'config.json', { type: 'application/json' }));
    return data;
  }, JSON.stringify(CONFIG));
  await page.dispatchEvent('.own', 'drop', { dataTransfer: data });
  await page.waitForFunction(() => location.search.includes('vocab=1000'));
});

test('loaded models are kept over a visit, found as one\'s own, and can be removed', async () => {
  const page = await atHub();
  await load(page, 'good/model');
  await page.waitForFunction(() => location.search.includes('vocab=1000'));
  await page.fill('#config', JSON.stringify({ ...CONFIG, _name_or_path: 'my/second', num_hidden_layers: 3 }));
  await page.waitForFunction(() => location.search.includes('layers=3'));
  const total = await peak(page);
  await page.goto(process.env.PAGE);
  await page.waitForSelector('#answer[data-peak-requested]');
  await page.fill('#model', 'yours llama');
  assert.deepEqual(
    await page.$$eval('#model-list [role="option"] span:first-child', (all) => all.map((text) => text.textContent)),
    ['my/second', 'good/model'],
  );
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(await peak(page), total);
  await page.click('.own > summary');
  await page.click('.kept li:first-child button:last-child');
  await settled(page);
  assert.deepEqual(await page.$$eval('.kept .name', (all) => all.map((name) => name.textContent)), ['good/model']);
  await page.reload();
  await page.waitForSelector('#answer[data-peak-requested]');
  assert.equal(await page.evaluate(() => localStorage.getItem('models').split('\n').length), 1);
});

test('storage that holds nonsense is ignored', async () => {
  const page = await open(browser);
  await page.evaluate(() => localStorage.setItem('models', 'x\ny\t?v=1&layers=-3\n\t\t\nz'));
  await page.reload();
  await page.waitForSelector('#answer[data-peak-requested]');
  await page.fill('#model', 'yours');
  await settled(page);
  assert.deepEqual(page.errors, []);
});

test('a model is searched by keyboard alone', async () => {
  const page = await open(browser);
  await page.focus('#model');
  await page.keyboard.type('qwen3 4b');
  assert.equal(await page.getAttribute('#model', 'aria-expanded'), 'true');
  assert.equal(await page.getAttribute('#model', 'aria-activedescendant'), 'model-0');
  await page.keyboard.press('Escape');
  assert.equal(await page.getAttribute('#model', 'aria-expanded'), 'false');
  assert.match(await page.inputValue('#model'), /^Phi-3-mini-4k-instruct · 3\.8/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  const last = await page.getAttribute('#model', 'aria-activedescendant');
  assert.ok(Number(last.split('-')[1]) >= 60, last);
  await page.keyboard.press('Home');
  await page.fill('#model', 'qwen3 4b');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.match(await page.evaluate(() => location.search), /model=qwen3-4b&/);
  assert.match(await page.textContent('#model-source'), /Qwen\/Qwen3-4B · Apache-2\.0/);
  await page.fill('#model', 'no such model');
  await settled(page);
  assert.match(await page.textContent('.combobox:has(#model)'), /Nothing found/);
  assert.deepEqual(page.errors, []);
});

for (const [query, id] of [['zero_grad', 'zero_grad'], ['LoRA rank', 'lora_rank'], ['Rank (0', 'lora_rank'], ['词表', 'vocab'], ['checkpointing', 'checkpointing']]) {
  test(`the search for “${query}” opens the group of ${id} and goes there`, async () => {
    const page = await open(browser);
    await page.click('h1');
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'find');
    await page.keyboard.type(query);
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), id);
    assert.ok(await page.isVisible(`#${id}`));
  });
}

test('“/” in a field is a letter', async () => {
  const page = await atHub();
  await page.focus('#hub_id');
  await page.keyboard.type('a/b');
  assert.equal(await page.inputValue('#hub_id'), 'a/b');
});

test('an edited dimension makes the model one\'s own, and back', async () => {
  const page = await open(browser, '?v=1&model=llama-3.1-8b');
  await unfold(page);
  const first = await look(page);
  assert.match(first.address, /model=llama-3\.1-8b&/);
  await page.fill('#layers', '31');
  await page.waitForTimeout(350);
  const edited = await look(page);
  assert.ok(edited.total < first.total);
  assert.match(edited.address, /model=custom&.*layers=31&/);
  await page.fill('#layers', '32');
  await page.waitForTimeout(350);
  assert.equal((await look(page)).address, first.address);
  await page.fill('#kv_heads', '5');
  await settled(page);
  assert.match(await page.textContent('#problems'), /multiple of/);
  assert.equal((await look(page)).total, first.total);
});

test('every dimension has words in both languages', async () => {
  const page = await open(browser);
  await unfold(page);
  for (const lang of ['en', 'zh']) {
    await page.click(`[data-lang="${lang}"]`);
    await settled(page);
    const labels = await page.$$eval('.dimensions label', (all) => all.map((label) => label.textContent));
    assert.ok(labels.length >= 20, String(labels.length));
    assert.deepEqual(labels.filter((label) => label.startsWith('"')), []);
    if (lang === 'zh') assert.deepEqual(labels.filter((label) => !/[一-鿿]/.test(label)), []);
  }
});

for (const lang of ['en', 'zh']) {
  test(`axe finds nothing to complain about in the panels with lists open (${lang})`, async () => {
    const page = await atHub();
    await page.click(`[data-lang="${lang}"]`);
    await load(page, 'good/model');
    await page.waitForFunction(() => location.search.includes('vocab=1000'));
    await unfold(page);
    await page.fill('#model', 'llama');
    await settled(page);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    assert.deepEqual(violations.map((found) => [found.id, found.nodes.map((node) => node.html)]), []);
  });
}

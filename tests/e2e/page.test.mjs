import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { ROOT, chooseModel, estimate, launch, look, open, peak, settled, unfold } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const lines = (file) =>
  readFileSync(ROOT + file, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

test('it loads without a console error, on the run of the hand calculation', async () => {
  const page = await open(browser);
  assert.equal(await peak(page), 76421591424);
  assert.equal(await page.getAttribute('#answer', 'data-peak-instant'), 'optimizer_step');
  assert.match(await page.textContent('#answer'), /71\.17/);
  assert.match(await page.textContent('#answer'), /79\.65 GiB/);
  assert.match(await page.textContent('#answer'), /states: 2\.0 × the weights; with what step\(\) allocates: 3\.0 ×/);
  assert.deepEqual(page.errors, []);
});

// Scenarios in which the control moves the peak.
const activationBound = '?v=1&model=llama-3.2-1b&b=8&s=1024&recipe=bf16&optimizer=sgd';
const controls = [
  ['model', 'llama-3.2-1b', ''],
  ['recipe', 'bf16', ''],
  ['optimizer', 'adamw_fused', ''],
  ['attention', 'eager', activationBound],
  ['checkpointing', 'layers', activationBound],
  ['objective', 'dpo_ref_bf16', ''],
  ['padding', 'padded', activationBound],
  ['lora_targets', 'q_v', `${activationBound}&lora_rank=16`],
  ['lora_dropout', '1', `${activationBound}&lora_rank=16`],
  ['lora_dtype', 'base', `${activationBound}&lora_rank=16`],
  ['base_dtype', 'bf16', `${activationBound.replace('recipe=bf16', 'recipe=bf16-mixed')}&lora_rank=16`],
  ['held', 'outputs', activationBound],
  ['kv_cache', 'filled', activationBound.replace('llama-3.2-1b', 'phi-3-mini-4k-instruct')],
  ['stack', 'torch_2.6', activationBound],
  ['trainer', 'trl', `${activationBound.replace('recipe=bf16', 'recipe=bf16-mixed')}&objective=dpo`],
  ['log_probs', 'log_softmax', `${activationBound}&objective=dpo`],
  ['autocast_scope', 'model', `${activationBound.replace('recipe=bf16', 'recipe=bf16-mixed')}&objective=dpo`],
  ['zero_grad', 'before_backward', '?v=1&model=llama-3.2-1b&b=16&s=1024&recipe=bf16&optimizer=sgd&checkpointing=layers&objective=dpo_ref_bf16'],
];
for (const [key, value, link] of controls) {
  test(`the control ${key} changes total, chart, table and address together`, async () => {
    const page = await open(browser, link);
    await unfold(page);
    const first = await look(page);
    await (key === 'model' ? chooseModel(page, value) : page.selectOption(`#${key}`, value));
    const then = await look(page);
    if (key === 'zero_grad') {
      assert.notEqual(then.table, first.table);
    } else {
      assert.notEqual(then.total, first.total);
    }
    assert.notEqual(then.pixels, first.pixels);
    assert.notEqual(then.table, first.table);
    assert.match(then.address, new RegExp(`[?&]${key}=${value}(&|$)`));
    assert.deepEqual(page.errors, []);
  });
}

test('the GPU changes verdict, chart and address', async () => {
  const page = await open(browser);
  await unfold(page);
  const first = await look(page);
  await page.selectOption('#gpu', 'a100-40gb');
  const then = await look(page);
  assert.equal(first.verdict, 'tight');
  assert.equal(then.verdict, 'exceeds');
  assert.notEqual(then.pixels, first.pixels);
  assert.match(then.address, /gpu=a100-40gb&gpu_mib=40960/);
});

for (const [id, value] of [['b-number', '32'], ['s-number', '4096'], ['accumulation', '4'], ['lora_rank', '16']]) {
  test(`the number ${id} changes total, chart and address`, async () => {
    const page = await open(browser, activationBound);
    await unfold(page);
    const first = await look(page);
    await page.fill(`#${id}`, value);
    await page.waitForTimeout(350);
    const then = await look(page);
    assert.notEqual(then.total, first.total);
    assert.notEqual(then.pixels, first.pixels);
    assert.match(then.address, new RegExp(`[?&]${id.replace('-number', '')}=${value}&`));
  });
}

for (const id of ['b', 's']) {
  test(`the slider ${id} moves by keyboard and takes its number field along`, async () => {
    const page = await open(browser, activationBound);
    const first = await look(page);
    const number = await page.inputValue(`#${id}-number`);
    await page.focus(`#${id}`);
    await page.keyboard.press('ArrowRight');
    const then = await look(page);
    assert.ok(then.total > first.total);
    assert.ok(Number(await page.inputValue(`#${id}-number`)) > Number(number));
  });
}

test('changing the optimizer shows what was before', async () => {
  const page = await open(browser);
  await page.selectOption('#optimizer', 'adamw_fused');
  await settled(page);
  assert.match(await page.textContent('.was'), /71\.17 GiB with AdamW/);
  await page.selectOption('#recipe', 'bf16');
  await settled(page);
  assert.equal(await page.textContent('.was'), '');
});

test('each link of the corpus opens on its expected total', async () => {
  const page = await open(browser);
  for (const line of lines('tests/links/links.tsv')) {
    const [expected, link] = line.split('\t');
    await page.goto(process.env.PAGE + link);
    await page.waitForSelector('#answer[data-peak-requested]');
    assert.equal(await peak(page), Number(expected), link);
  }
  assert.deepEqual(page.errors, []);
});

test('the page says the same as the command, byte for byte', async () => {
  const page = await open(browser);
  for (const line of lines('tests/links/links.tsv')) {
    const link = line.split('\t')[1];
    await page.goto(process.env.PAGE + link);
    await page.waitForSelector('#answer[data-peak-requested]');
    const command = estimate(link);
    assert.equal(await peak(page), command.peak.requested, link);
    const moments = await page.$$eval('#moments tbody tr:not([hidden])', (rows) =>
      rows.map((row) => [row.dataset.instant, Number(row.querySelector('td[data-bytes]').dataset.bytes)]));
    assert.deepEqual(moments, command.instants.map((moment) => [moment.name, moment.requested]), link);
    const entries = await page.$$eval('#ledger tr[data-name]', (rows) =>
      rows.map((row) => `${row.dataset.name} ${row.dataset.bytes}`).sort());
    const alive = command.entries.filter((entry) => entry.instants.includes(command.peak.instant));
    assert.deepEqual(entries, alive.map((entry) => `${entry.name} ${entry.bytes}`).sort(), link);
    assert.equal(new URL(page.url()).search, command.link, link);
  }
});

test('bad links get a sentence, keep the rest, and never blank the page', async () => {
  const page = await open(browser);
  for (const line of lines('tests/bad_input/links.txt')) {
    await page.goto(process.env.PAGE + line);
    await page.waitForSelector('#answer[data-peak-requested]');
    await settled(page);
    assert.ok((await page.textContent('#problems')).trim().length > 0, line);
    assert.ok((await peak(page)) > 0, line);
  }
  assert.deepEqual(page.errors, []);
});

test('text in a number field keeps the last good figure and says what is accepted', async () => {
  const page = await open(browser);
  const total = await peak(page);
  for (const text of ['abc', '-3', '0', '99999999999999999999', '9223372036854775808', '']) {
    await page.fill('#b-number', text);
    await settled(page);
    assert.equal(await peak(page), total);
    assert.match(await page.textContent('#problems'), /Micro-batch.*whole number from 1 to 65,536/);
    assert.equal(await page.inputValue('#b-number'), text);
  }
  await page.fill('#b-number', '4');
  await settled(page);
  assert.equal((await page.textContent('#problems')).trim(), '');
  assert.deepEqual(page.errors, []);
});

test('ready scenarios open beside the hand figures; back and forward work', async () => {
  const page = await open(browser);
  const first = await look(page);
  await page.click('[data-ready="reference-on-gpu"]');
  const ready = await look(page);
  assert.notEqual(ready.total, first.total);
  assert.match(await page.textContent('.hand'), /Reference model/);
  await chooseModel(page, 'gpt2');
  const gpt2 = await look(page);
  await page.goBack();
  assert.equal((await look(page)).total, ready.total);
  await page.goBack();
  assert.equal((await look(page)).total, first.total);
  await page.goForward();
  await page.goForward();
  assert.equal((await look(page)).total, gpt2.total);
});

test('Share copies the link and says so', async () => {
  const page = await open(browser, '', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.click('#share');
  await page.waitForFunction(() => document.querySelector('#shared').textContent !== '');
  assert.equal(await page.textContent('#shared'), 'Link copied.');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
});

test('why this peak names what binds, what comes next and a change that moves it', async () => {
  const page = await open(browser);
  assert.match(await page.textContent('.why'), /“Optimizer step” binds.*Next is “Backward, embedding”, 14\.23 GiB below.*AdamW, fused/s);
  await page.selectOption('#optimizer', 'adamw_fused');
  await settled(page);
  assert.match(await page.textContent('.why'), /“Backward, embedding” binds/);
});

test('reserved and device figures are replayed when the reader pauses, as the command says them', async () => {
  const page = await open(browser, activationBound);
  await page.waitForTimeout(300);
  const { reserved } = estimate(activationBound).peak;
  const low = (reserved.low / 2 ** 30).toFixed(2);
  const high = (reserved.high / 2 ** 30).toFixed(2);
  assert.match(await page.textContent('.three'), new RegExp(`${low}–${high} GiB`));
});

test('the accuracy panel opens, speaks both languages, and says so where it can\'t be loaded', async () => {
  const page = await open(browser);
  await page.click('#accuracy summary');
  await page.waitForSelector('.accuracy table');
  assert.match(await page.textContent('.accuracy'), /PyTorch's own code ran \d+ training steps.*Mistral-7B/s);
  await page.click('[data-lang="zh"]');
  await page.waitForFunction(() => document.querySelector('.accuracy').textContent.includes('训练步'));
  await page.route('**/accuracy.en.html', (route) => route.abort());
  await page.click('[data-lang="en"]');
  await page.waitForFunction(() => document.querySelector('.accuracy').textContent.includes('could not be loaded'));
});

test('a config.json is taken when it is pasted, chosen or dropped, and a bad one gets its sentence', async () => {
  const page = await open(browser);
  await page.click('.own summary');
  const config = { model_type: 'llama', hidden_size: 1024, num_hidden_layers: 4, num_attention_heads: 8, vocab_size: 5000 };
  await page.fill('#config', JSON.stringify(config));
  await settled(page);
  const pasted = await peak(page);
  assert.ok(pasted < 5e9);
  assert.match(await page.evaluate(() => location.search), /model=custom&family=llama&vocab=5000&hidden=1024&/);
  assert.equal(estimate(await page.evaluate(() => location.search)).peak.requested, pasted);
  await page.fill('#config', '{ "model_type": "llama", "hidden_size": "wide" }');
  await page.click('#config-read');
  await settled(page);
  assert.match(await page.textContent('#problems'), /hidden_size/);
  assert.equal(await peak(page), pasted);
  const file = { name: 'config.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify({ ...config, num_hidden_layers: 8 })) };
  await page.setInputFiles('#config-file', file);
  await page.waitForFunction(() => document.querySelector('#config').value.includes('8'));
  await settled(page);
  assert.ok(await peak(page) > pasted);
  assert.doesNotMatch(await page.textContent('#problems'), /hidden_size/);
  await page.reload();
  await page.waitForSelector('#answer[data-peak-requested]');
  assert.ok(await peak(page) > pasted);
  assert.deepEqual(page.errors, []);
});

test('an entry opens its formula in symbols and values, its lifetime and its source', async () => {
  const page = await open(browser);
  await page.click('#ledger .open >> nth=0');
  await settled(page);
  const opened = await page.textContent('.opened');
  assert.match(opened, /L · 2 · f · h · 4 B/);
  assert.match(opened, /32 · 2 · 8192 · 3072 · 4 B = 6,442,450,944 B/);
  assert.match(opened, /always/);
  assert.match(opened, /transformers/);
});

// Controls that are asked for on every run, and those of some.
const everywhere = ['find', 'model', 'hub_id', 'config', 'layers', 'b', 'b-number', 's', 's-number', 'recipe', 'optimizer', 'gpu', 'gpus', 'spread',
  'attention', 'padding', 'checkpointing', 'accumulation', 'zero_grad', 'peft', 'lora_rank', 'objective', 'stack', 'share', 'chart', 'moment'];
for (const [name, link, own] of [
  ['DPO', '?v=1&objective=dpo_ref_bf16', ['log_probs', 'autocast_scope', 'reference', 'prompt', 'freeze_layers']],
  ['LoRA', '?v=1&objective=causal_lm&lora_rank=8', ['lora_targets', 'lora_dropout', 'lora_dtype', 'base_dtype', 'quantised_base', 'held', 'kv_cache']],
  ['ZeRO-3', '?v=1&model=llama-3.2-1b&spread=deepspeed&offload_optimizer=1', ['dp', 'sub_group', 'reduce_bucket', 'pin_memory']],
]) {
  test(`the keyboard alone reaches every control of a run with ${name}`, async () => {
    const page = await open(browser, link);
    await unfold(page);
    const wanted = new Set([...everywhere, ...own]);
    await page.focus('.skip');
    for (let presses = 0; presses < 200 && wanted.size > 0; presses += 1) {
      await page.keyboard.press('Tab');
      wanted.delete(await page.evaluate(() => document.activeElement.id));
    }
    assert.deepEqual([...wanted], []);
  });
}

test('the keyboard changes a control', async () => {
  const page = await open(browser);
  const before = await look(page);
  await page.focus('#optimizer');
  await page.keyboard.press('ArrowDown');
  assert.notEqual((await look(page)).total, before.total);
});

for (const lang of ['en', 'zh']) {
  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing to complain about (${lang}, ${colorScheme})`, async () => {
      const page = await open(browser, '', { colorScheme });
      await page.click(`[data-lang="${lang}"]`);
      await page.click('[data-ready="reference-on-gpu"]');
      await unfold(page);
      await page.fill('#b-number', 'x');
      await page.click('#ledger .open >> nth=0');
      await settled(page);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      assert.deepEqual(violations.map((found) => [found.id, found.nodes.map((node) => node.html)]), []);
    });
  }
}

test('Chinese reaches every word of the page', async () => {
  const page = await open(browser);
  await page.click('[data-lang="zh"]');
  await settled(page);
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-Hans');
  assert.match(await page.textContent('#answer'), /每个 GPU 的峰值/);
  assert.match(await page.textContent('#ledger'), /一阶矩/);
  assert.equal(await page.title(), '显存账本');
});

test('GB and GiB are switched and labelled', async () => {
  const page = await open(browser);
  await page.click('[data-unit="GB"]');
  await settled(page);
  assert.match(await page.textContent('.figure'), /76\.42\s*GB/);
});

for (const [width, height, name] of [[360, 740, '360 px'], [640, 450, '200 % zoom of a small screen']]) {
  test(`nothing scrolls sideways at ${name}`, async () => {
    for (const lang of ['en', 'zh']) {
      const page = await open(browser, '', { viewport: { width, height } });
      await page.click(`[data-lang="${lang}"]`);
      await page.click('[data-ready="observed"]');
      await unfold(page);
      await settled(page);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }
  });
}

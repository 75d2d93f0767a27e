// Several GPUs: ways of spreading a run, the mesh, memory over their number.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { estimate, launch, open, peak, settled, unfold } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a way of spreading the run sets its details, draws the mesh, and says what a GPU holds', async () => {
  const page = await open(browser, '?v=1&model=llama-3.1-8b&b=1&s=2048');
  await unfold(page);
  assert.equal(await page.isVisible('.mesh'), false);
  await page.selectOption('#spread', 'fsdp2_tp');
  await settled(page);
  assert.equal(await page.inputValue('#gpus'), '8');
  assert.equal(await page.inputValue('#tp'), '4');
  assert.match(await page.textContent('.controls'), /Also divides each layer's matrices/);
  await page.fill('#gpus', '64');
  await settled(page);
  const held = await page.$$eval('#mesh tbody td', (cells) => cells.map((cell) => cell.textContent));
  assert.deepEqual(held, ['all', '1/4', 'all', '1/16', '1/16', '1/16']);
  // Eight rows of four are drawn, the other shards are said.
  assert.equal(await page.$$eval('.squares i', (squares) => squares.length), 32);
  assert.equal(await page.$$eval('.squares i.own', (squares) => squares.length), 1);
  // The address follows at most every 300 ms.
  await page.waitForTimeout(320);
  assert.equal(await peak(page), estimate(await page.evaluate(() => location.search)).peak.requested);
  // A mesh that doesn't multiply up gets its sentence, and the answer stays.
  await page.fill('#gpus', '63');
  await settled(page);
  assert.match(await page.textContent('#problems'), /63/);
  assert.equal(await page.inputValue('#spread'), 'fsdp2_tp');
  assert.deepEqual(page.errors, []);
});

test('of a pipeline the fullest stage is marked, or the one that is asked for', async () => {
  const page = await open(browser, '?v=1&model=llama-3.1-8b&b=1&s=2048&gpus=4&pp=4&accumulation=8&recipe=bf16');
  await unfold(page);
  const marked = () => page.$$eval('.squares i', (squares) => squares.map((square) => square.classList.contains('own')).indexOf(true) + 1);
  const fullest = Number(await page.textContent('#ranks tbody th'));
  assert.equal(await marked(), fullest);
  const whole = await peak(page);
  // The other end of the pipeline needs less.
  const other = fullest === 1 ? 4 : 1;
  await page.fill('#stage', String(other));
  await settled(page);
  assert.equal(await marked(), other);
  assert.ok((await peak(page)) < whole);
  await page.fill('#stage', '0');
  await settled(page);
  assert.equal(await marked(), fullest);
  assert.deepEqual(page.errors, []);
});

test('controls of several GPUs are there where they change something', async () => {
  const page = await open(browser, '?v=1&model=llama-3.1-8b&b=1&s=2048');
  await unfold(page);
  const there = async (id) => (await page.$(`#${id}`)) !== null;
  assert.ok(!(await there('dp')) && !(await there('tp')));
  await page.selectOption('#spread', 'deepspeed');
  await settled(page);
  assert.ok((await there('sub_group')) && (await there('offload_optimizer')));
  assert.ok(!(await there('tp')) && !(await there('pin_memory')) && !(await there('reshard')));
  await page.selectOption('#offload_optimizer', '1');
  await settled(page);
  assert.ok(await there('pin_memory'));
  await page.selectOption('#spread', 'fsdp2_tp');
  await settled(page);
  assert.ok((await there('tp')) && (await there('loss_parallel')) && (await there('reshard')));
  assert.ok(!(await there('sub_group')) && !(await there('ep')) && !(await there('stage')));
  assert.deepEqual(page.errors, []);
});

test('memory over the number of GPUs has a curve for each way, and the scenario stands in it', async () => {
  const page = await open(browser, '?v=1&model=llama-3.1-8b&b=1&s=2048&gpus=64&spread=fsdp2');
  await page.click('#scaling summary');
  await page.waitForSelector('#scaling table');
  const ways = await page.$$eval('#scaling thead [data-spread]', (heads) => heads.map((head) => head.dataset.spread));
  assert.ok(['ddp', 'fsdp2', 'fsdp2_tp', 'accelerate', 'megatron'].every((way) => ways.includes(way)), ways.join());
  const own = await page.$$eval('#scaling tr.is-peak', (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(own.length, 1);
  assert.equal(own[0][0], '64');
  const answer = await page.textContent('#answer');
  assert.ok(answer.replace(/\s+/g, ' ').includes(own[0][1 + ways.indexOf('fsdp2')].split(' ')[0]));
  await page.click('[data-lang="zh"]');
  assert.match(await page.textContent('#scaling'), /每卡的值/);
  assert.deepEqual(page.errors, []);
});

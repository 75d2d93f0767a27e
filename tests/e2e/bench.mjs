// What the page costs its reader: an estimate, and the main thread's time from a slider's move to the paint that shows it.
import { launch, open, settled } from './page.mjs';

const MOVES = 200;
const FRAME_MS = 1000 / 60;

const browser = await launch();
const page = await open(browser);

const estimates = await page.evaluate(() => {
  window.vramBench(2000);
  return window.vramBench(5000);
});
console.log(`  one estimate in the browser: ${estimates.toFixed(1)} µs`);

const session = await page.context().newCDPSession(page);
const events = [];
session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
await session.send('Tracing.start', {
  transferMode: 'ReportEvents',
  traceConfig: { includedCategories: ['devtools.timeline', 'toplevel', 'disabled-by-default-devtools.timeline'] },
});
await page.focus('#s');
for (let move = 0; move < MOVES; move += 1) {
  await page.keyboard.press(Math.floor(move / 8) % 2 ? 'ArrowLeft' : 'ArrowRight');
  await settled(page);
}
const finished = new Promise((done) => session.once('Tracing.tracingComplete', done));
await session.send('Tracing.end');
await finished;
await browser.close();

// Each move: the busy time of the renderer's main thread from its input event to the end of the next paint.
const inputs = events.filter((event) => event.name === 'EventDispatch' && event.args?.data?.type === 'input')
  .sort((a, b) => a.ts - b.ts);
const thread = inputs[0]?.tid;
const paints = events.filter((event) => event.tid === thread && (event.name === 'Paint' || event.name === 'Commit'))
  .sort((a, b) => a.ts - b.ts);
const tasks = events.filter((event) => event.tid === thread && event.dur
  && ['ThreadControllerImpl::RunTask', 'RunTask'].includes(event.name)).sort((a, b) => a.ts - b.ts);
const times = inputs.map((input, index) => {
  const next = inputs[index + 1]?.ts ?? Infinity;
  const paint = paints.filter((event) => event.ts > input.ts && event.ts < next).at(-1);
  if (!paint) return undefined;
  const end = paint.ts + (paint.dur ?? 0);
  const busy = tasks.filter((task) => task.ts + task.dur > input.ts && task.ts < end)
    .reduce((sum, task) => sum + Math.min(task.ts + task.dur, end) - Math.max(task.ts, input.ts), 0);
  return busy / 1000;
}).filter((time) => time !== undefined).sort((a, b) => a - b);
const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))]?.toFixed(2);
const missed = times.filter((time) => time > FRAME_MS).length;
console.log(`  input to paint over ${times.length} moves: median ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms; frames missed: ${missed}`);

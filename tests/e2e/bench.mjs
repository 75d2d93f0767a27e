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

// Each move: how long the renderer's main thread was busy from the input event to the commit of the frame that shows it. Forward from
// the event everything counts that the thread runs: script, style, layout, paint. Waiting for the next frame is no work.
const of = (name) => events.filter((event) => event.name === name).sort((a, b) => a.ts - b.ts);
const inputs = of('EventDispatch').filter((event) => event.args?.data?.type === 'input');
const isOnThread = (event) => event.tid === inputs[0]?.tid && event.pid === inputs[0]?.pid;
const commits = of('Commit').filter(isOnThread);
const tasks = of('RunTask').filter((event) => isOnThread(event) && event.dur);
const times = inputs.map((input, index) => {
  const next = inputs[index + 1]?.ts ?? Infinity;
  const commit = commits.find((event) => event.ts > input.ts && event.ts < next);
  if (!commit) return undefined;
  const end = commit.ts + (commit.dur ?? 0);
  const within = (task) => Math.max(0, Math.min(task.ts + task.dur, end) - Math.max(task.ts, input.ts));
  return tasks.reduce((sum, task) => sum + within(task), 0) / 1000;
}).filter((time) => time !== undefined).sort((a, b) => a - b);
const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))]?.toFixed(2);
const missed = times.filter((time) => time > FRAME_MS).length;
console.log(`  input to paint over ${times.length} moves: median ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms; frames missed: ${missed}`);
if (times.length < MOVES * 0.9) throw new Error(`only ${times.length} of ${MOVES} moves were seen`);

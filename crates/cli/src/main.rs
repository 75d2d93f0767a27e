//! The command `vram`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vram::accuracy::{MeasuredReport, Report, read_file, read_measured};
use vram::asked::{Asked, Resolved};
use vram::estimate::Style;
use vram::failure::Failure;
use vram::output::Format;
use vram::{estimate, lists};
use vram_text::{Lang, Unit, Verdict};

/// How much GPU memory a training run needs, which tensor takes it, and at which moment.
#[derive(Parser)]
#[command(name = "vram", version)]
struct Command {
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    /// The language of words: en or zh
    #[arg(long, global = true, value_parser = lang, default_value = "en")]
    lang: Lang,
    /// The unit of sizes in tables: GiB or GB
    #[arg(long, global = true, value_parser = unit, default_value = "GiB")]
    unit: Unit,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The peak of a training step, the moment, and every tensor that is alive then
    Estimate {
        #[command(flatten)]
        asked: Asked,
        /// Exit with 1 if it does not fit on the GPU
        #[arg(long)]
        check: bool,
    },
    /// The link that opens a scenario on the page
    Link {
        #[command(flatten)]
        asked: Asked,
    },
    /// The models that can be chosen by name
    Models,
    /// The GPUs that can be chosen by name
    Gpus,
    /// Golden files of PyTorch runs beside the estimates of the same runs
    Accuracy {
        /// Files with a run a line
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// The files are tables of runs on real GPUs, as in tests/measured
        #[arg(long)]
        measured: bool,
        /// Exit with 1 if the peak of a supported run is further off, as a fraction such as 0.01
        #[arg(long, value_name = "FRACTION")]
        max_error: Option<f64>,
    },
}

fn lang(word: &str) -> Result<Lang, String> {
    Lang::ALL.into_iter().find(|lang| lang.key() == word).ok_or_else(|| "accepted are en, zh".to_owned())
}

fn unit(word: &str) -> Result<Unit, String> {
    Unit::ALL.into_iter().find(|unit| unit.label() == word).ok_or_else(|| "accepted are GiB, GB".to_owned())
}

fn main() -> ExitCode {
    let command = Command::parse();
    match run(&command) {
        Ok((text, is_good)) => {
            // A reader who closes the pipe has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if is_good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{}", failure.sentences(command.lang));
            ExitCode::from(2)
        }
    }
}

/// The output, and whether what was asked for holds.
fn run(command: &Command) -> Result<(String, bool), Failure> {
    let Command { format, lang, unit, .. } = *command;
    match &command.task {
        Task::Estimate { asked, check } => {
            let Resolved { scenario, evidence } = asked.resolve()?;
            let estimate = vram_core::estimate_with_replay(&scenario)?;
            let fits = Verdict::of(&estimate, scenario.gpu.capacity) != Verdict::Exceeds;
            let printed =
                estimate::print(&estimate, &scenario, evidence.as_ref(), &Style { format, unit, lang })?;
            Ok((printed, fits || !check))
        }
        Task::Link { asked } => Ok((vram_core::link::write(&asked.scenario()?) + "\n", true)),
        Task::Models => Ok((lists::models(format, lang)?, true)),
        Task::Gpus => Ok((lists::gpus(format, unit, lang)?, true)),
        Task::Accuracy { files, measured: true, max_error } => {
            let mut rows = Vec::new();
            for file in files {
                rows.extend(read_measured(file)?);
            }
            let report = MeasuredReport { rows };
            let is_good = max_error.is_none_or(|most| report.worst() <= most);
            Ok((report.print(format)?, is_good))
        }
        Task::Accuracy { files, measured: false, max_error } => {
            let mut goldens = Vec::new();
            for file in files {
                goldens.extend(read_file(file)?);
            }
            let report = Report::of(&goldens);
            let is_good = max_error.is_none_or(|most| report.worst_peak() <= most);
            Ok((report.print(format)?, is_good))
        }
    }
}

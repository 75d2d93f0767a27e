//! `cargo xtask`: the only script of the project. It sets up what is missing, builds, serves, tests and measures.

mod accuracy;
mod bench;
mod build;
mod fuzz;
mod run;
mod serve;
mod setup;
mod size;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set up, build, serve, test and measure.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the page and leave the static site in dist/
    Build,
    /// Build the page in release mode and serve it on 127.0.0.1
    Serve {
        /// The port; 0 takes a free one
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Run everything that must pass
    Test,
    /// Try random and mutated configurations, links and scenarios
    Fuzz {
        /// How many configurations
        #[arg(default_value_t = 1_000_000)]
        cases: u32,
    },
    /// Brotli-compressed size of what the page loads
    Size,
    /// Time of an estimate, of the page's answer to a slider, and its size
    Bench,
    /// Write the pictures in docs/screenshots/
    Screenshots,
    /// Write docs/accuracy.md from the golden runs
    Accuracy,
}

fn main() -> ExitCode {
    let done = match Command::parse().task {
        Task::Build => build::build(),
        Task::Serve { port } => build::build().and_then(|()| serve::serve(port)),
        Task::Test => test::test(),
        Task::Fuzz { cases } => fuzz::fuzz(cases),
        Task::Size => build::build().and_then(|()| size::report()),
        Task::Bench => bench::bench(),
        Task::Screenshots => bench::screenshots(),
        Task::Accuracy => accuracy::write(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("\n{sentence}");
            ExitCode::FAILURE
        }
    }
}

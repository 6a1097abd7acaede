//! Which displays watch a run: a bar on a terminal, lines elsewhere, a log if asked for.

use super::Context;
use super::args::DisplayArgs;
use super::args::ProgressChoice;
use super::stream::Colour;
use batchctl::clock::Clock;
use batchctl::event::Watch;
use batchctl::progress::Bar;
use batchctl::progress::Lines;
use batchctl::progress::Log;
use batchctl::progress::LogFormat;
use batchctl::progress::Style;
use batchctl::progress::Verbosity;
use console::Term;
use std::io;
use std::io::Write;

/// Returns the displays that the flags ask for.
pub(super) fn watchers(args: &DisplayArgs, context: &Context, clock: Clock) -> Vec<Box<dyn Watch>> {
    let mut watchers: Vec<Box<dyn Watch>> = Vec::new();
    let mut log_to: Box<dyn Write + Send> = Box::new(io::stderr());
    match choice(args, context) {
        Choice::Bar => {
            let bar = Bar::new(Term::buffered_stderr(), style(context.stderr.colour), clock);
            log_to = Box::new(bar.above());
            watchers.push(Box::new(bar));
        }
        Choice::Lines => watchers.push(Box::new(Lines::new(Box::new(io::stderr())))),
        Choice::Nothing => {}
    }
    if let Some(verbosity) = verbosity(args.verbose) {
        watchers.push(Box::new(Log::new(log_to, verbosity, args.log_format.into())));
    }
    watchers
}

enum Choice {
    Bar,
    Lines,
    Nothing,
}

fn choice(args: &DisplayArgs, context: &Context) -> Choice {
    let dumb = context.surroundings.variable("TERM").is_none_or(|term| term == "dumb");
    let is_terminal = context.surroundings.stderr_is_terminal && !dumb;
    // A log that machines read is not mixed with lines for people.
    let machine_log = args.verbose > 0 && LogFormat::from(args.log_format) == LogFormat::Json;
    match args.progress {
        ProgressChoice::None => Choice::Nothing,
        ProgressChoice::Bar => Choice::Bar,
        ProgressChoice::Auto if args.quiet || machine_log => Choice::Nothing,
        ProgressChoice::Auto if is_terminal => Choice::Bar,
        ProgressChoice::Auto | ProgressChoice::Lines => Choice::Lines,
    }
}

fn verbosity(count: u8) -> Option<Verbosity> {
    match count {
        0 => None,
        1 => Some(Verbosity::Tasks),
        2.. => Some(Verbosity::Attempts),
    }
}

fn style(colour: Colour) -> Style {
    match colour {
        Colour::Yes => Style::Coloured,
        Colour::No => Style::Plain,
    }
}

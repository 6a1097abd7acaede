//! Which shard of the inputs this process carries out.
//!
//! A scheduler numbers the machines of a job; `--shard auto` takes the number from it.

use crate::cli::flags::values::ShardChoice;
use crate::cli::output::error::CommandError;
use crate::cli::process::environment::Environment;
use batchctl::task::Shard;

/// The number of a pod in an Indexed Job of Kubernetes, from 0.
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
/// The number of a task in a Slurm array, the first number of the array, and their count.
const SLURM: [&str; 3] = ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"];

/// Returns the shard that a flag names.
pub(crate) fn choose(
    choice: ShardChoice,
    environment: &Environment,
) -> Result<Shard, CommandError> {
    match choice {
        ShardChoice::Of(shard) => Ok(shard),
        ShardChoice::Auto => of_slurm(environment),
        ShardChoice::AutoOf(of) => of_kubernetes(of.get(), environment),
    }
}

fn of_slurm(environment: &Environment) -> Result<Shard, CommandError> {
    let [id, first, count] = SLURM;
    if environment.variable(id).is_none() && environment.variable(KUBERNETES).is_some() {
        let error = "`--shard auto` needs the number of shards, which Kubernetes does not tell";
        return Err(CommandError::usage(error)
            .with_hint("name the `completions` of the job: `--shard auto/N`"));
    }
    let (id, first, of) =
        (number(id, environment)?, number(first, environment)?, number(count, environment)?);
    let index = id.checked_sub(first);
    shard(index, of, &format!("{} {id}, {} {first}, {} {of}", SLURM[0], SLURM[1], SLURM[2]))
}

fn of_kubernetes(of: u32, environment: &Environment) -> Result<Shard, CommandError> {
    let index = number(KUBERNETES, environment)?;
    shard(Some(index), of, &format!("{KUBERNETES} {index} of {of}"))
}

fn shard(index: Option<u32>, of: u32, said: &str) -> Result<Shard, CommandError> {
    let number = index.and_then(|index| index.checked_add(1));
    let shard = number.and_then(|number| Shard::new(number, of).ok());
    shard.ok_or_else(|| {
        CommandError::usage(format!("`--shard auto` does not fit the job: {said}"))
            .with_hint("number the parts of the job without gaps, and give N as many as there are")
    })
}

fn number(name: &str, environment: &Environment) -> Result<u32, CommandError> {
    let hint = "`--shard auto` is for a Slurm array, `--shard auto/N` for an Indexed Job of \
                Kubernetes; name the shard elsewhere: `--shard 2/4`";
    let Some(text) = environment.variable(name) else {
        let error = format!("`--shard auto` finds no {name}");
        return Err(CommandError::usage(error).with_hint(hint));
    };
    text.to_string_lossy().trim().parse().map_err(|_| {
        CommandError::usage(format!("the value of {name} is not a number")).with_hint(hint)
    })
}

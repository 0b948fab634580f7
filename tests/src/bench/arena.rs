//! One measurement: a network, a stack in it, a client, and an end of all three.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::place::{SERVER, TAP, Topology};
use super::{Job, Row, Sample, Stack, client, meter, sys};

/// How long a stack may take until it answers.
const START: Duration = Duration::from_secs(10);

/// Runs `job` in the network namespace that this process was started in, which has nothing but
/// `lo`.
pub(super) fn run(job: &Job) -> Result<Sample> {
    let cpus = sys::allowed_cpus()?;
    // The client first, the stack last: on a machine with one processor they share it.
    let (ours, theirs) = (cpus[0], cpus[cpus.len() - 1]);
    let topology = Topology::make(job.stack, job.row)?;
    let started = {
        let job = job.clone();
        topology.at_the_server(move || Server::start(&job, theirs))
    };
    let mut server = started?;
    let (row, stack) = (job.row, server.0.id());
    let window = row.window(job.seconds);
    let measured = topology.at_the_client(move || {
        client::wait_until_it_answers(START)?;
        client::measure(row, window, ours, stack)
    });
    let measured = match (measured, server.0.try_wait()?) {
        (Err(error), Some(status)) => Err(error.context(format!("the stack ended with {status}"))),
        (measured, _) => measured,
    }?;
    let processor_s = measured.used.stack.as_secs_f64();
    let per_giga = match row {
        // What it does besides is most of its work.
        Row::Idle | Row::Fair => None,
        _ if row.is_bulk() => Some(processor_s / (measured.amount as f64 / 1e9)),
        _ => Some(processor_s / (measured.amount as f64 / 1e6)),
    };
    Ok(Sample {
        round: job.round,
        stack: job.stack,
        row,
        value: Some(measured.value),
        error: None,
        processor_s,
        window_s: measured.used.time.as_secs_f64(),
        processor_s_per_giga: per_giga.filter(|seconds| seconds.is_finite()),
        peak_kib: meter::memory(stack, "VmHWM")?,
        p50_us: measured.latency.as_ref().map(|latency| latency.p50),
        p99_us: measured.latency.as_ref().map(|latency| latency.p99),
        others: measured.used.others,
        steal: measured.used.steal,
        noisy: measured.used.is_noisy(),
    })
}

/// The stack's process, which ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(job: &Job, cpu: usize) -> Result<Server> {
        let mut command = command(job)?;
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let child = sys::pin_command(&mut command, cpu).spawn();
        let mut server = Server(child.context("the stack does not start")?);
        if job.stack.is_tapip() {
            // Echo comes last: it is what the client waits for. The pipe stays open, for its end
            // would be the shell's.
            let stdin = server.0.stdin.as_mut().context("a pipe was asked for")?;
            stdin.write_all(b"serve discard 9\nserve chargen 19\nserve echo 7\n")?;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(job: &Job) -> Result<Command> {
    Ok(match job.stack {
        Stack::Tapip | Stack::TapipPlain => tapip(job),
        Stack::Lwip | Stack::Gvisor => {
            let mut command = Command::new(job.peer.as_ref().context("no such peer was built")?);
            command.args([TAP, &SERVER.to_string()]);
            command
        }
        _ => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["serve", &serde_json::to_string(job)?]);
            command
        }
    })
}

fn tapip(job: &Job) -> Command {
    let mut command = Command::new(job.tapip.as_deref().unwrap_or(Path::new("tapip")));
    command.args(["run", "--name", &format!("bench-{}", std::process::id())]);
    command.args(["--link", &format!("tap:{TAP}"), "--addr", &format!("{SERVER}/24")]);
    if !job.stack.offloads() {
        command.args(["--offload", &job.no_offload]);
    }
    if job.row == Row::RrBusy {
        command.arg("--busy-poll");
    }
    // A tapip.toml in the working directory would be read.
    command.args(&job.tapip_args).current_dir(std::env::temp_dir());
    command
}

//! `!CMD`: runs CMD at the kernel's end of the link.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};

use crate::{Context, ExitStatus, Terminal, sys};

/// Runs a line of Unix shell and passes its status on.
pub(crate) fn run(context: &mut Context, line: &str) -> anyhow::Result<ExitStatus> {
    let Some(host_command) = &context.host_command else {
        bail!("this link has no kernel at its other end");
    };
    let mut process = host_command(line);
    // A program that has our terminal works as it does everywhere; else its output goes where
    // ours goes.
    let captured = !context.out.is_process();
    if captured {
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    // A terminal sends ^C to its foreground group, and so to the child. Where there is none the
    // child and its own children are a group, so that they can be told together.
    let by_terminal = context.input.is_terminal();
    if !by_terminal {
        process.process_group(0);
    }
    let mut child = process.spawn().with_context(|| format!("cannot run `{line}`"))?;
    let copies = [
        child.stdout.take().map(|from| copy(from, context.out.clone())),
        child.stderr.take().map(|from| copy(from, context.err.clone())),
    ];
    let status = wait(context, child, by_terminal)?;
    // After ^C whoever still holds the pipe is not waited for.
    if !context.interrupt.is_raised() {
        for copy in copies.into_iter().flatten() {
            let _ = copy.join();
        }
    }
    Ok(status)
}

fn copy(mut from: impl Read + Send + 'static, mut to: Terminal) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..len]).is_err() {
                return;
            }
        }
    })
}

/// Waits for a child. Where ^C does not reach it by itself, and on SIGTERM, it is asked to end.
fn wait(context: &Context, child: Child, by_terminal: bool) -> anyhow::Result<ExitStatus> {
    let pid = child.id();
    let child = Arc::new(Mutex::new(child));
    let _asked = {
        let (child, interrupt) = (child.clone(), context.interrupt.clone());
        context.interrupt.on_raise(move || {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            let runs = matches!(child.try_wait(), Ok(None));
            if runs && (!by_terminal || interrupt.is_terminated()) {
                sys::terminate(&child, !by_terminal);
            }
        })
    };
    // Without the lock, and without reaping: whoever looks meanwhile still finds the child.
    sys::wait_until_ended(pid)?;
    Ok(child.lock().unwrap_or_else(PoisonError::into_inner).wait()?.into())
}

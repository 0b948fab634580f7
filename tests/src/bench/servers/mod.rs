//! The stacks that this program itself is, each in a process of its own: they serve echo at TCP
//! and UDP port 7, discard at TCP port 9 and chargen at TCP port 19 until they are ended.

mod ideal;
mod kernel;
mod library;
mod smoltcp;

use anyhow::{Result, bail};

use super::{Job, Stack};

/// Serves as `job` says; comes back only where that fails.
pub(super) fn serve(job: &Job) -> Result<()> {
    match job.stack {
        Stack::Ideal | Stack::IdealPlain => ideal::serve(job),
        Stack::Smoltcp => smoltcp::serve(job),
        Stack::TapipLib => library::serve(),
        Stack::Kernel | Stack::KernelPlain => kernel::serve(),
        other => bail!("{} is another program", other.id()),
    }
}

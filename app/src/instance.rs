//! Which instances run, so that `tapip host` finds the kernel's end of their link.
//!
//! Each running instance has a file of its name in a directory of its user, with its process id
//! and the time when that process started: a number that was given away again is told apart.
//! Names are taken under a lock of the directory, so that no two that start at once have the same.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The name of an instance whose user gave it none.
const DEFAULT_NAME: &str = "tapip";

/// This process's entry; gone when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    path: PathBuf,
    pub(crate) name: String,
}

impl Instance {
    /// Enters this process under `name`, or under the first free default name. To be called
    /// before the process changes its user namespace, in which it would seem to be another user.
    pub(crate) fn register(name: Option<&str>) -> anyhow::Result<Instance> {
        Instance::register_in(&directory()?, name)
    }

    fn register_in(dir: &Path, name: Option<&str>) -> anyhow::Result<Instance> {
        let _lock = lock(dir)?;
        remove_stale(dir);
        if let Some(name) = name {
            check_name(name)?;
            if let Some(pid) = running(&dir.join(name)) {
                bail!(
                    "an instance named `{name}` runs already (process {pid}); choose another --name"
                );
            }
            return Instance::write(dir, name.to_string());
        }
        let mut names = std::iter::once(DEFAULT_NAME.to_string())
            .chain((2..).map(|n| format!("{DEFAULT_NAME}{n}")));
        let free = names.find(|name| running(&dir.join(name)).is_none());
        Instance::write(dir, free.expect("the names go on for ever"))
    }

    fn write(dir: &Path, name: String) -> anyhow::Result<Instance> {
        let path = dir.join(&name);
        let pid = std::process::id();
        let entry = format!("{pid} {}\n", started(pid).unwrap_or_default());
        // Written beside and renamed, so that nobody reads half an entry.
        let draft = dir.join(format!(".{name}.{pid}"));
        fs::write(&draft, entry)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot note the running instance in {}", path.display()))?;
        Ok(Instance { path, name })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The process of the instance `name`, or of the only one that runs.
pub(crate) fn find(name: Option<&str>) -> anyhow::Result<u32> {
    let dir = directory()?;
    if let Some(name) = name {
        check_name(name)?;
        return running(&dir.join(name))
            .with_context(|| format!("no instance named `{name}` runs{}", listing(&all(&dir))));
    }
    match all(&dir)[..] {
        [] => bail!("no instance with a kernel's end runs; start one with `tapip` first"),
        [(_, pid)] => Ok(pid),
        ref several => bail!("several instances run{}; say --name", listing(several)),
    }
}

fn all(dir: &Path) -> Vec<(String, u32)> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            check_name(&name).ok()?;
            Some((name, running(&entry.path())?))
        })
        .collect();
    found.sort();
    found
}

/// Keeps others from making and removing entries until it is dropped.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Removes the entries of processes that ended without doing so (a signal that cannot be caught),
/// and drafts of theirs. Only under the lock, since nobody else writes then.
fn remove_stale(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() != ".lock" && running(&path).is_none() {
            let _ = fs::remove_file(path);
        }
    }
}

fn listing(instances: &[(String, u32)]) -> String {
    if instances.is_empty() {
        return " (none does)".into();
    }
    let names: Vec<_> =
        instances.iter().map(|(name, pid)| format!("{name} (process {pid})")).collect();
    format!(": {}", names.join(", "))
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        bail!("`{name}` cannot name an instance: letters, digits, - and _, 64 at most");
    }
    Ok(())
}

/// The process that an entry names, where it still runs.
fn running(entry: &Path) -> Option<u32> {
    let text = fs::read_to_string(entry).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (started(pid)? == start).then_some(pid)
}

/// When a process started, in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)).
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the command in parentheses, may hold blanks and parentheses itself.
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_whitespace().nth(22 - 3).map(str::to_string)
}

/// The user's directory of instances, made where it is missing.
fn directory() -> anyhow::Result<PathBuf> {
    let uid = fs::metadata("/proc/self").map(|me| me.uid()).unwrap_or_default();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let dir = match runtime {
        Some(runtime) => runtime.join("tapip"),
        None => std::env::temp_dir().join(format!("tapip-{uid}")),
    };
    let _ = fs::DirBuilder::new().mode(0o700).create(&dir);
    let facts = fs::symlink_metadata(&dir)
        .with_context(|| format!("cannot make the directory {}", dir.display()))?;
    // In a directory that everybody may write to, somebody else could have been first.
    if !facts.is_dir() || facts.uid() != uid || facts.mode() & 0o022 != 0 {
        bail!("{} is not a directory of yours alone; remove it", dir.display());
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_process_that_is_gone_or_another_is_not_running() {
        let dir = std::env::temp_dir().join(format!("tapip-test-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mine = Instance::write(&dir, "mine".into()).unwrap();
        assert_eq!(running(&dir.join("mine")), Some(std::process::id()));
        fs::write(dir.join("reused"), format!("{} 1", std::process::id())).unwrap();
        assert_eq!(running(&dir.join("reused")), None, "the same number, another start");
        fs::write(dir.join("broken"), "not a number").unwrap();
        assert_eq!(all(&dir), [("mine".to_string(), std::process::id())]);
        drop(mine);
        assert_eq!(all(&dir), []);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn many_that_start_at_once_each_have_a_name() {
        let dir = std::env::temp_dir().join(format!("tapip-test-many-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let start = || {
            std::thread::spawn({
                let dir = dir.clone();
                move || Instance::register_in(&dir, None).unwrap()
            })
        };
        let threads: Vec<_> = std::iter::repeat_with(start).take(20).collect();
        let instances: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let names: BTreeSet<_> = instances.iter().map(|i| i.name.clone()).collect();
        assert_eq!(names.len(), 20, "{names:?}");
        assert_eq!(all(&dir).len(), 20);
        drop(instances);
        assert_eq!(all(&dir), []);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_a_killed_instance_left_is_removed_by_the_next() {
        let dir = std::env::temp_dir().join(format!("tapip-test-stale-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("tapip"), format!("{} 1\n", std::process::id())).unwrap();
        fs::write(dir.join(".draft.1"), "1").unwrap();
        let instance = Instance::register_in(&dir, None).unwrap();
        assert_eq!(instance.name, "tapip");
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "tapip"]);
        drop(instance);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for bad in ["", "../x", "a/b", ".", "a b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name("lab-1_a").is_ok());
    }
}

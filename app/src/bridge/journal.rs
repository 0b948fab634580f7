//! What was there before: written and on the disk before the first change, deleted after the
//! last has been undone.
//!
//! One file for each NIC and network namespace, in /run/tapip: it does not outlive the machine's
//! run, and neither does what it tells of. A lock of the directory keeps two from working at once.
//! It is handed to each `ip` too, as its standard output, so that after a `kill -9` of this
//! process the next one waits until the last command has ended.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::state::{Address, Link, Route, State};

/// What `up` found and what it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The run of the machine: after another start nothing of all this is there.
    pub(super) boot: String,
    /// Seconds since that start.
    pub(super) when: u64,
    /// The network namespace, by the number of its inode.
    pub(super) namespace: u64,
    pub(super) nic: String,
    pub(super) ifindex: u32,
    pub(super) mac: String,
    pub(super) mtu: u32,
    pub(super) bridge: String,
    pub(super) tap: String,
    /// Who may attach to the TAP.
    pub(super) user: String,
    /// The alias of what was made, so that nothing else is ever deleted.
    pub(super) mark: String,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
}

impl Journal {
    /// The routes that the kernel does not make by itself with the addresses.
    pub(super) fn own_routes(&self) -> Vec<&Route> {
        self.routes.iter().filter(|route| !route.is_made_by(&self.addresses)).collect()
    }

    /// Whether the NIC is there, and is the same one: its number, or after it was unplugged its
    /// Ethernet address.
    pub(super) fn is_nic(&self, now: &State) -> bool {
        let same = |link: &Link| link.ifindex == self.ifindex || link.address == self.mac;
        now.link(&self.nic).is_some_and(same)
    }

    /// Whether `up` made this bridge. Between its making and its marking it has no alias, but is
    /// a bridge with the NIC's Ethernet address, at a name that was free.
    pub(super) fn made_bridge(&self, link: &Link) -> bool {
        link.is_bridge()
            && match &link.ifalias {
                Some(alias) => *alias == self.mark,
                None => link.address == self.mac,
            }
    }

    /// Whether `up` made this TAP.
    pub(super) fn made_tap(&self, link: &Link) -> bool {
        let persistent = link.linkinfo.info_data.get("persist").is_some_and(|value| value == true);
        link.is_tap()
            && match &link.ifalias {
                Some(alias) => *alias == self.mark,
                None => persistent && !link.is_up(),
            }
    }

    /// Seconds since it was written.
    pub(super) fn age(&self) -> u64 {
        uptime().saturating_sub(self.when)
    }
}

/// Where the journals are.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    namespace: u64,
}

/// Held while things change.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// A share of it for a child process.
    pub(super) fn share(&self) -> anyhow::Result<File> {
        self.0.try_clone().context("cannot share the lock")
    }
}

impl Directory {
    /// /run/tapip; `TAPIP_STATE_DIR` names another.
    pub(super) fn usual() -> anyhow::Result<Directory> {
        let path = std::env::var_os("TAPIP_STATE_DIR").map(PathBuf::from);
        let path = path.unwrap_or_else(|| "/run/tapip".into());
        let namespace = fs::metadata("/proc/self/ns/net").context("/proc is not mounted")?.ino();
        Ok(Directory { path, namespace })
    }

    /// Makes the directory where it is missing, and waits until nobody else changes anything.
    pub(super) fn lock(&self) -> anyhow::Result<Lock> {
        let _ = fs::DirBuilder::new().mode(0o755).recursive(true).create(&self.path);
        let facts = fs::symlink_metadata(&self.path)
            .with_context(|| format!("cannot make the directory {}", self.path.display()))?;
        let me = fs::metadata("/proc/self").context("/proc is not mounted")?.uid();
        // What is in a journal becomes commands.
        if !facts.is_dir() || facts.uid() != me || facts.mode() & 0o022 != 0 {
            bail!("{} is not a directory of yours alone; remove it", self.path.display());
        }
        let path = self.path.join(".lock");
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock(file))
    }

    /// The file for `nic`.
    pub(super) fn file(&self, nic: &str) -> PathBuf {
        self.path.join(format!("bridge-{}-{nic}.json", self.namespace))
    }

    /// The journal of `nic`; `None` where there is none, or one from before the machine started.
    pub(super) fn read(&self, nic: &str) -> anyhow::Result<Option<Journal>> {
        let path = self.file(nic);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let journal: Journal = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        Ok((journal.boot == boot()).then_some(journal))
    }

    /// All of this namespace.
    pub(super) fn all(&self) -> anyhow::Result<Vec<Journal>> {
        let prefix = format!("bridge-{}-", self.namespace);
        let mut nics: Vec<String> = fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_prefix(&prefix)?.strip_suffix(".json")?.to_string()))
            .collect();
        nics.sort();
        let journals = nics.iter().map(|nic| self.read(nic));
        Ok(journals.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Writes a journal so that it is there whole, or not at all, whatever happens; it returns
    /// when it is on the disk.
    pub(super) fn write(&self, journal: &Journal, _: &Lock) -> anyhow::Result<()> {
        let path = self.file(&journal.nic);
        let draft = self.path.join(".draft");
        let text = serde_json::to_string_pretty(journal).context("a journal is JSON")?;
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            sync(&self.path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Forgets what was there.
    pub(super) fn remove(&self, nic: &str, _: &Lock) -> anyhow::Result<()> {
        let path = self.file(nic);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => sync(&self.path).with_context(|| format!("cannot sync {}", self.path.display())),
        }
    }

    /// A journal of what is there now, by which `up` is planned.
    pub(super) fn begin(
        &self,
        nic: &Link,
        state: &State,
        names: (String, String),
        user: String,
    ) -> anyhow::Result<Journal> {
        let (bridge, tap) = names;
        let random = getrandom::u64().context("the system has no random numbers")?;
        Ok(Journal {
            boot: boot(),
            when: uptime(),
            namespace: self.namespace,
            nic: nic.ifname.clone(),
            ifindex: nic.ifindex,
            mac: nic.address.clone(),
            mtu: nic.mtu,
            bridge,
            tap,
            user,
            mark: format!("tapip-{random:016x}"),
            addresses: state.addresses_of(&nic.ifname),
            routes: state.routes_of(&nic.ifname)?,
        })
    }
}

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_string()
}

fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

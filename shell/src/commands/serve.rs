//! `serve`: starts services.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, value_parser};
use socket::TcpStream;

use super::Command;
use crate::services::chargen::Chargen;
use crate::services::discard::Discard;
use crate::services::echo::Echo;
use crate::services::http::Http;
use crate::services::{DatagramServer, DatagramService, StreamServer, StreamService};
use crate::{Context, ExitStatus};

/// How long a web client may be silent, or refuse to take what it asked for.
const HTTP_PATIENCE: Duration = Duration::from_secs(30);

/// How long, and for how many bytes, a web client is listened to after the last response.
const LAST_WORDS: Duration = Duration::from_secs(1);
const MAX_LAST_WORDS: usize = 64 * 1024;

/// `serve`.
pub(super) struct Serve;

impl Command for Serve {
    fn name(&self) -> &'static str {
        "serve"
    }

    fn grammar(&self) -> clap::Command {
        let port = || {
            Arg::new("port")
                .required(true)
                .value_parser(value_parser!(u16).range(1..))
                .help("The port, of every address of this host")
        };
        let small = |name, about| clap::Command::new(name).about(about).arg(port());
        clap::Command::new(self.name())
            .about("Start a service in the background; `jobs` lists them, `kill` ends them")
            .subcommand_required(true)
            .disable_help_subcommand(true)
            .subcommand(small("echo", "Send back what comes (RFC 862), over TCP and UDP"))
            .subcommand(small(
                "discard",
                "Throw away what comes (RFC 863), over TCP and UDP; report bytes and rate",
            ))
            .subcommand(small("chargen", "Send characters (RFC 864), over TCP and UDP"))
            .subcommand(
                clap::Command::new("http")
                    .about("Serve the files of a directory to web clients")
                    .arg(port())
                    .arg(
                        Arg::new("directory")
                            .required(true)
                            .value_parser(value_parser!(PathBuf))
                            .value_hint(clap::ValueHint::DirPath)
                            .help("The directory; nothing outside of it can be reached"),
                    ),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let Some((kind, arguments)) = arguments.subcommand() else { return Ok(ExitStatus::USAGE) };
        let port = *arguments.get_one::<u16>("port").context("no port")?;
        type Both = (Arc<dyn StreamService>, Option<Box<dyn DatagramService>>);
        let mut what = format!("serve {kind} {port}");
        let (streams, datagrams): Both = match kind {
            "echo" => (Arc::new(Echo), Some(Box::new(Echo))),
            "discard" => {
                let discard = || Discard { report: context.out.clone() };
                (Arc::new(discard()), Some(Box::new(discard())))
            }
            "chargen" => (Arc::new(Chargen::default()), Some(Box::new(Chargen::default()))),
            _ => {
                let directory =
                    arguments.get_one::<PathBuf>("directory").context("no directory")?;
                what += &format!(" {}", directory.display());
                (Arc::new(HttpService::new(directory)?), None)
            }
        };
        start(context, what, port, streams, datagrams)?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// Both listen before the shell goes on, so that what follows in a script reaches them.
fn start(
    context: &mut Context,
    what: String,
    port: u16,
    streams: Arc<dyn StreamService>,
    datagrams: Option<Box<dyn DatagramService>>,
) -> anyhow::Result<()> {
    let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let streams = StreamServer::bind(&context.net, addr, streams)
        .with_context(|| format!("cannot listen at TCP port {port}"))?;
    let datagrams = datagrams
        .map(|service| DatagramServer::bind(&context.net, addr, service))
        .transpose()
        .with_context(|| format!("cannot receive at UDP port {port}"))?;
    let complain = context.err.clone();
    let line = what.clone();
    let number = context.jobs.start(what.clone(), move |stop| {
        // The two halves fail together, and for one reason.
        let errors = Mutex::new(Vec::new());
        let said = |result: io::Result<()>| {
            let Err(error) = result else { return };
            let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
            let error = format!("{what}: {error}");
            if !errors.contains(&error) {
                complain.line(&error);
                errors.push(error);
            }
        };
        std::thread::scope(|scope| {
            if let Some(datagrams) = datagrams {
                scope.spawn(|| said(datagrams.run(stop)));
            }
            said(streams.run(stop));
        });
        errors.into_inner().unwrap_or_else(PoisonError::into_inner).is_empty()
    })?;
    context.out.line(&format!("[{number}] {line}"));
    Ok(())
}

/// The web server with its limits on a peer's silence.
struct HttpService {
    http: Http,
}

impl HttpService {
    fn new(directory: &Path) -> anyhow::Result<HttpService> {
        let http = Http::new(directory)
            .with_context(|| format!("cannot serve `{}`", directory.display()))?;
        Ok(HttpService { http })
    }
}

impl StreamService for HttpService {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(HTTP_PATIENCE))?;
        stream.set_write_timeout(Some(HTTP_PATIENCE))?;
        self.http.serve(&mut stream)?;
        // RFC 9112 §9.6: with unread bytes closing would be a reset, which may take from the
        // client the last response. So our half is closed first, and a little is read.
        stream.shutdown(Shutdown::Write)?;
        stream.set_read_timeout(Some(LAST_WORDS))?;
        let mut left = MAX_LAST_WORDS;
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            left = left.saturating_sub(len);
            if left == 0 {
                break;
            }
        }
        Ok(())
    }
}

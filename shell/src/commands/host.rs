//! `host`: looks names up, as host(1) and dig(1).

use std::net::IpAddr;

use clap::{Arg, ArgMatches};
use socket::dns::{Answer, Data, Error, Kind, Resolving};

use super::{Command, names};
use crate::{Context, ExitStatus};

/// `host`.
pub(super) struct Host;

impl Command for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Look up a name's addresses, or an address's name")
            .arg(
                Arg::new("type")
                    .short('t')
                    .value_name("TYPE")
                    .value_parser(["A", "AAAA"])
                    .ignore_case(true)
                    .help("Only records of this type [default: both]"),
            )
            .arg(Arg::new("name").required(true).value_name("NAME").help("The name or the address"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let Some(name) = arguments.get_one::<String>("name") else { return Ok(ExitStatus::USAGE) };
        let questions: Vec<_> = match (name.parse::<IpAddr>(), arguments.get_one::<String>("type"))
        {
            (Ok(addr), _) => vec![Resolving::addr(&context.net, addr)?],
            (Err(_), Some(kind)) => {
                let kind = if kind.eq_ignore_ascii_case("A") { Kind::A } else { Kind::Aaaa };
                vec![Resolving::name(&context.net, name, kind)?]
            }
            (Err(_), None) => vec![
                Resolving::name(&context.net, name, Kind::A)?,
                Resolving::name(&context.net, name, Kind::Aaaa)?,
            ],
        };
        let mut aliases_shown = false;
        let mut missing = None;
        let mut found = false;
        for question in questions {
            match names::wait(context, question) {
                Ok(None) => return Ok(ExitStatus::INTERRUPTED),
                Ok(Some(answer)) => {
                    context.out.line(lines(name, &answer, !aliases_shown).trim_end());
                    (aliases_shown, found) = (true, true);
                }
                // One kind of record is enough.
                Err(error) if is_no_data(&error) => missing = Some(error),
                Err(error) => return Err(anyhow::Error::new(error).context(name.clone())),
            }
        }
        match missing {
            Some(error) if !found => Err(anyhow::Error::new(error).context(name.clone())),
            _ => Ok(ExitStatus::SUCCESS),
        }
    }
}

fn is_no_data(error: &std::io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&Error::NoData)
}

/// In host(1)'s words.
fn lines(asked: &str, answer: &Answer, with_aliases: bool) -> String {
    let mut text = String::new();
    let ends = answer.aliases.iter().skip(1).chain([&answer.name]);
    if with_aliases {
        for (alias, of) in answer.aliases.iter().zip(ends) {
            text += &format!("{alias} is an alias for {of}\n");
        }
    }
    for data in &answer.data {
        text += &match data {
            Data::A(addr) => format!("{} has address {addr}\n", answer.name),
            Data::Aaaa(addr) => format!("{} has IPv6 address {addr}\n", answer.name),
            Data::Ptr(name) => format!("{asked} is {name}\n"),
            Data::Cname(name) => format!("{} is an alias for {name}\n", answer.name),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_in_the_words_of_host() {
        let name = |text: &str| text.parse().unwrap();
        let answer = Answer {
            name: name("c.org"),
            aliases: vec![name("a.org"), name("b.org")],
            data: vec![Data::A([192, 0, 2, 1].into())],
            ttl: Duration::from_secs(5),
        };
        assert_eq!(
            lines("a.org", &answer, true),
            "a.org is an alias for b.org\nb.org is an alias for c.org\nc.org has address 192.0.2.1\n"
        );
        assert_eq!(lines("a.org", &answer, false), "c.org has address 192.0.2.1\n");
        let data = vec![Data::Ptr(name("nas.lan"))];
        let back = Answer { aliases: Vec::new(), data, ..answer };
        assert_eq!(lines("10.0.0.2", &back, true), "10.0.0.2 is nas.lan\n");
    }
}

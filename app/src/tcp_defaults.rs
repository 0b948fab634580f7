//! `[tcp-defaults]` in `tapip.toml`, and `--tcp-set NAME=VALUE`: the fields of [`tcp::Config`], by
//! their names.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tcp::{Config, Sizes};

/// How a field is written in TOML, where that is not how it is kept.
trait Written<'de>: Sized {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

macro_rules! plainly {
    ($($kind:ty),+) => {$(
        impl<'de> Written<'de> for $kind {
            fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Deserialize::deserialize(from)
            }
        }
    )+};
}
plainly!(bool, u16, u32, usize);

/// `"200ms"`
impl<'de> Written<'de> for Duration {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        netdev::parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// `["40ms", "200ms"]`: the least and the most.
impl<'de> Written<'de> for (Duration, Duration) {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [least, most] = <[String; 2]>::deserialize(from)?;
        let read = |text: &str| netdev::parse_duration(text).map_err(D::Error::custom);
        Ok((read(&least)?, read(&most)?))
    }
}

/// `[4096, 262144, 4194304]`: the least, the default and the most, in bytes.
impl<'de> Written<'de> for Sizes {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [min, default, max] = <[usize; 3]>::deserialize(from)?;
        if min > default || default > max {
            return Err(D::Error::custom("the least, the default and the most, in this order"));
        }
        Ok(Sizes { min, default, max })
    }
}

/// `[32768, 61440]`: the first and the last.
impl<'de> Written<'de> for RangeInclusive<u16> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [first, last] = <[u16; 2]>::deserialize(from)?;
        if first == 0 || first > last {
            return Err(D::Error::custom("the first port and the last, in this order"));
        }
        Ok(first..=last)
    }
}

fn some<'de, D: Deserializer<'de>, T: Written<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::read(from).map(Some)
}

macro_rules! table {
    ($($field:ident: $kind:ty,)+) => {
        /// The fields that are set; of [`Config`]'s the parts are missing, which are options of
        /// their own (`--cc` and its kin).
        #[derive(Deserialize, Clone, Debug, Default)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct TcpDefaults {
            $(#[serde(default, deserialize_with = "some")] $field: Option<$kind>,)+
        }

        impl TcpDefaults {
            /// What is set in `self`, and what is in `under` where it is not.
            fn over(self, under: TcpDefaults) -> TcpDefaults {
                TcpDefaults { $($field: self.$field.or(under.$field),)+ }
            }

            fn set(self, config: &mut Config) {
                // Without `..`, so that a new field cannot be forgotten here.
                let Config { reassembly: _, rtt: _, recovery: _, congestion: _, ecn: _, $($field,)+ } =
                    config;
                $(if let Some(value) = self.$field {
                    *$field = value;
                })+
            }
        }
    };
}

table! {
    timestamps: bool,
    sack: bool,
    dsack: bool,
    tail_loss_probe: bool,
    frto: bool,
    reordering: u32,
    window_scaling: bool,
    initial_window: u32,
    hystart: bool,
    min_burst: u32,
    slow_start_after_idle: bool,
    window_validation: bool,
    default_mss: u16,
    min_mss: u16,
    min_path_mtu: u32,
    black_hole: u32,
    rto_initial: Duration,
    rto_min: Duration,
    rto_max: Duration,
    syn_retries: u32,
    syn_ack_retries: u32,
    retries_told: u32,
    retries: u32,
    orphan_retries: u32,
    delayed_ack: (Duration, Duration),
    cork: Duration,
    time_wait: Duration,
    fin_wait2: Duration,
    ports: RangeInclusive<u16>,
    max_sockets: usize,
    max_connections: usize,
    max_orphans: usize,
    max_time_wait: usize,
    syn_queue: usize,
    syn_cookies: bool,
    max_backlog: usize,
    challenge_acks: u32,
    send_buffer: Sizes,
    receive_buffer: Sizes,
    reassembly_limit: usize,
    memory: usize,
}

impl TcpDefaults {
    /// Those of the file, with `NAME=VALUE` from the command line over them.
    pub(crate) fn with(self, said: &[String]) -> anyhow::Result<TcpDefaults> {
        said.iter().try_fold(self, |under, text| {
            let (name, value) = text
                .split_once('=')
                .with_context(|| format!("--tcp-set {text}: as rto-min=100ms"))?;
            let bare = format!("{name} = {value}");
            // On a command line nobody quotes the quotes of `"100ms"`.
            let line = match bare.parse::<toml::Table>() {
                Ok(_) => bare,
                Err(_) => format!("{name} = '{value}'"),
            };
            let one: TcpDefaults =
                toml::from_str(&line).with_context(|| format!("--tcp-set {text}"))?;
            Ok(one.over(under))
        })
    }

    /// Changes what is set, or says what cannot be so.
    pub(crate) fn apply(self, config: &mut Config) -> anyhow::Result<()> {
        self.set(config);
        let rules = [
            ("initial-window: 1 to 1000 segments", (1..=1000).contains(&config.initial_window)),
            ("reordering: 1 to 300 segments", (1..=300).contains(&config.reordering)),
            ("min-burst: 1 segment at least", config.min_burst > 0),
            ("default-mss: min-mss at least", config.default_mss >= config.min_mss),
            // All options take 40 bytes, and something has to be sent beside them.
            ("min-mss: 48 at least", config.min_mss >= 48),
            ("min-path-mtu: 68 at least (RFC 791)", config.min_path_mtu >= 68),
            ("black-hole: 1 at least", config.black_hole > 0),
            ("rto-min: more than nothing, rto-max at most", {
                !config.rto_min.is_zero() && config.rto_min <= config.rto_max
            }),
            ("rto-initial: more than nothing, rto-max at most", {
                !config.rto_initial.is_zero() && config.rto_initial <= config.rto_max
            }),
            ("delayed-ack: the least first, and less than 500ms (RFC 9293 §3.8.6.3)", {
                let (least, most) = config.delayed_ack;
                least <= most && most < Duration::from_millis(500)
            }),
        ];
        match rules.iter().find(|(_, holds)| !holds) {
            Some((rule, _)) => bail!("[tcp-defaults] {rule}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: &str, said: &[&str]) -> anyhow::Result<Config> {
        let said: Vec<String> = said.iter().map(|text| (*text).to_string()).collect();
        let mut config = Config::default();
        toml::from_str::<TcpDefaults>(file)?.with(&said)?.apply(&mut config)?;
        Ok(config)
    }

    #[test]
    fn each_kind_of_field_is_read() {
        let file = "sack = false
            initial-window = 4
            rto-min = '50ms'
            delayed-ack = ['10ms', '20ms']
            send-buffer = [1, 2, 3]
            ports = [1000, 2000]";
        let config = config(file, &[]).unwrap();
        assert_eq!((config.sack, config.initial_window), (false, 4));
        assert_eq!(config.rto_min, Duration::from_millis(50));
        assert_eq!(config.delayed_ack, (Duration::from_millis(10), Duration::from_millis(20)));
        assert_eq!(config.send_buffer, Sizes { min: 1, default: 2, max: 3 });
        assert_eq!(config.ports, 1000..=2000);
        assert!(config.timestamps, "what is not said stays");
    }

    #[test]
    fn the_command_line_wins_and_needs_no_quotes() {
        let file = "rto-min = '50ms'\nretries = 7";
        let config = config(file, &["rto-min=60ms", "hystart=false", "send-buffer=[1,2,3]"]);
        let config = config.unwrap();
        assert_eq!((config.rto_min, config.retries), (Duration::from_millis(60), 7));
        assert_eq!((config.hystart, config.send_buffer.max), (false, 3));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, said, named) in [
            ("retires = 7", None, "unknown field `retires`"),
            ("retries = 'x'", None, "line 1"),
            ("rto-min = '7 parsecs'", None, "7 parsecs"),
            ("send-buffer = [3, 2, 1]", None, "in this order"),
            ("rto-min = '10s'\nrto-max = '1s'", None, "rto-min"),
            ("delayed-ack = ['1ms', '1s']", None, "delayed-ack"),
            ("initial-window = 0", None, "initial-window"),
            ("", Some("retires=7"), "--tcp-set retires=7"),
            ("", Some("retries"), "--tcp-set retries"),
        ] {
            let said: Vec<&str> = said.into_iter().collect();
            let error = format!("{:#}", config(file, &said).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }
}

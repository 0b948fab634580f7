use super::*;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A machine's files in a directory of the test's own.
struct Root(PathBuf);

impl Root {
    fn new(test: &str) -> Root {
        let dir = std::env::temp_dir().join(format!("tapip-checks-{test}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Root(dir)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn process(&self, pid: &str, command: &str, namespace: &str) {
        self.put(&format!("proc/{pid}/cmdline"), command);
        fs::create_dir_all(self.0.join(format!("proc/{pid}/ns"))).unwrap();
        symlink(namespace, self.0.join(format!("proc/{pid}/ns/net"))).unwrap();
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LINKS: &str = r#"[
{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"link_type":"loopback"},
{"ifindex":2,"ifname":"eth0","flags":["UP"],"link_type":"ether","address":"02:00:00:00:00:01"},
{"ifindex":3,"ifname":"eth1","flags":["UP"],"link_type":"ether","master":"bond0"},
{"ifindex":4,"ifname":"eth2","flags":[],"link_type":"ether"},
{"ifindex":5,"ifname":"wlan0","flags":["UP"],"link_type":"ether"},
{"ifindex":6,"ifname":"br7","flags":["UP"],"link_type":"ether","linkinfo":{"info_kind":"bridge"}},
{"ifindex":7,"ifname":"tun0","flags":["UP"],"link_type":"none","linkinfo":{"info_kind":"tun"}}
]"#;

#[test]
fn what_cannot_be_bridged_is_refused_with_what_to_do() {
    let root = Root::new("refusals");
    root.put("sys/class/net/wlan0/phy80211", "");
    let state = State::parse(LINKS, "", "", "").unwrap();
    let sys = root.0.join("sys");
    assert_eq!(usable(&state, "eth0", &sys).unwrap().ifindex, 2);
    for (nic, words) in [
        ("eth9", "those that an Ethernet could be on: eth0, eth1, eth2, wlan0"),
        ("eth1", "a port of bond0 already"),
        ("eth2", "is down: `sudo ip link set eth2 up`"),
        ("wlan0", "Wi-Fi"),
        ("br7", "--link tap:tap0"),
        ("tun0", "no Ethernet"),
        ("lo", "no Ethernet"),
    ] {
        let error = usable(&state, nic, &sys).unwrap_err().to_string();
        assert!(error.contains(words), "{nic}: {error}");
    }
}

#[test]
fn an_ordinary_user_is_told_the_command_for_root() {
    let root = Root::new("capabilities");
    let proc = root.0.join("proc");
    root.put("proc/self/status", "Name:\tx\nCapEff:\t0000000000000400\n");
    let error = may_change(&proc, "tapip bridge up --nic eth0").unwrap_err().to_string();
    assert!(error.contains("`sudo tapip bridge up --nic eth0`"), "{error}");
    root.put("proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n");
    may_change(&proc, "tapip").unwrap();
}

#[test]
fn who_manages_the_nic_is_named() {
    let root = Root::new("managers");
    let state = State::parse(LINKS, "", "", "").unwrap();
    let nic = state.link("eth0").unwrap();
    assert_eq!(warnings(nic, "[]", &root.0), Vec::<String>::new());

    root.process("1", "init\0", "net:[1]");
    root.process("self", "tapip\0", "net:[1]");
    root.process("70", "/sbin/dhclient\0-v\0eth0\0", "net:[1]");
    root.process("71", "/sbin/dhclient\0eth1\0", "net:[1]");
    root.process("72", "/sbin/udhcpc\0eth0\0", "net:[2]");
    root.put("run/NetworkManager/devices/2", "[device]\nmanaged=true\n");
    root.put("run/systemd/netif/links/2", "ADMIN_STATE=configured\n");
    root.put("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n");
    root.put("proc/sys/net/bridge/bridge-nf-call-ip6tables", "0\n");
    let rules = r#"[{"priority":0,"src":"all"},{"priority":40,"iif":"eth0","table":"9"}]"#;
    let told = warnings(nic, rules, &root.0);
    let expected = [
        "nmcli device set eth0 managed no",
        "Unmanaged=yes",
        "dhclient (process 70)",
        "preference 40",
        "sysctl net.bridge.bridge-nf-call-iptables=0`",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (line, words) in told.iter().zip(expected) {
        assert!(line.contains(words), "{line}");
    }

    root.put("run/systemd/netif/links/2", "ADMIN_STATE=unmanaged\n");
    root.put("run/NetworkManager/devices/2", "[device]\nmanaged=false\n");
    assert_eq!(warnings(nic, rules, &root.0).len(), 3);
}

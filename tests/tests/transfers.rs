//! Much data against the kernel's own programs, on a good link and on a bad one.

use std::path::Path;
use std::process::Stdio;

use sha2::{Digest as _, Sha256};
use tests::{Instance, payload, scratch};

const SIZE: usize = 100_000_000;
const FAULTS: &[&str] = &["--loss", "2%", "--reorder", "5%", "--dup", "1%", "--seed", "2026"];

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// curl at the kernel's end fetches a file from `serve http`.
fn curl_fetches(test: &str, args: &[&str]) {
    let tools = ["curl", "sha256sum"];
    let Some(mut stack) = Instance::start_with(test, &tools, args) else { return };
    let dir = scratch(test);
    let bytes = payload(1, SIZE);
    std::fs::write(dir.join("data.bin"), &bytes).unwrap();
    stack.run(&format!("serve http 8080 {}", dir.display()));
    let fetch = "curl -sS --fail --max-time 110 http://10.0.0.1:8080/data.bin | sha256sum";
    let curl = stack.host("sh", &["-c", fetch]);
    let (seen, expected) =
        (curl.stdout.split_whitespace().next().unwrap_or_default(), sha256(&bytes));
    assert_eq!(seen, expected, "{curl:?}");
    eprintln!("{test}: {}", stack.run("stat"));
}

/// nc at the kernel's end sends a file, which `snc -b` prints.
fn nc_sends(test: &str, args: &[&str]) {
    let dir = scratch(test);
    let bytes = payload(2, SIZE);
    let file = dir.join("data.bin");
    std::fs::write(&file, &bytes).unwrap();
    let tools = ["nc", "timeout"];
    let Some(mut stack) = Instance::start_with(test, &tools, args) else { return };
    let sink = dir.join("received");
    receive(&mut stack, &file, &sink);
    let received = std::fs::read(&sink).unwrap();
    assert_eq!(received.len(), bytes.len());
    assert_eq!(sha256(&received), sha256(&bytes));
}

/// Through `serve echo` and back, so that both directions carry everything at once.
fn receive(stack: &mut Instance, file: &Path, sink: &Path) {
    stack.run("serve echo 7");
    let script = format!("timeout 110 nc -N 10.0.0.1 7 < {} > {}", file.display(), sink.display());
    let nc = stack.host("sh", &["-c", &script]);
    assert!(nc.success, "{nc:?}");
}

#[test]
fn curl_fetches_100_megabytes() {
    curl_fetches("curl_100mb", &[]);
}

#[test]
fn curl_fetches_100_megabytes_over_a_bad_link() {
    curl_fetches("curl_100mb_bad", FAULTS);
}

#[test]
fn nc_sends_100_megabytes() {
    nc_sends("nc_100mb", &[]);
}

#[test]
fn nc_sends_100_megabytes_over_a_bad_link() {
    nc_sends("nc_100mb_bad", FAULTS);
}

#[test]
fn snc_receives_what_nc_sends_and_ends_with_it() {
    let Some(mut stack) = Instance::start_with("snc_receives", &["nc"], &[]) else { return };
    stack.send("snc -b 10.0.0.1:4000");
    let send = "for i in $(seq 100); do echo 'a line for snc' | nc -N -w 5 10.0.0.1 4000 && exit 0; sleep 0.1; done; exit 1";
    assert!(stack.host("sh", &["-c", send]).success);
    stack.wait_for("a line for snc\n");
    // The peer's FIN ended the command: the shell reads the next line.
    assert!(stack.run("help").contains("snc"));
}

#[test]
fn http_serves_a_listing_a_range_and_nothing_outside() {
    let Some(mut stack) = Instance::start_with("http", &["curl"], &[]) else { return };
    let dir = scratch("http");
    let site = dir.join("site");
    std::fs::create_dir_all(site.join("sub")).unwrap();
    std::fs::write(site.join("hello.txt"), "hello, world\n").unwrap();
    std::fs::write(dir.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(dir.join("secret"), site.join("link")).unwrap();
    stack.run(&format!("serve http 80 {}", site.display()));
    let curl = |args: &str| stack.host("sh", &["-c", &format!("curl -sS --max-time 20 {args}")]);
    assert_eq!(curl("http://10.0.0.1/hello.txt").stdout, "hello, world\n");
    assert_eq!(curl("-r 7-11 http://10.0.0.1/hello.txt").stdout, "world");
    let head = curl("-I http://10.0.0.1/hello.txt").stdout;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.to_lowercase().contains("content-length: 13"),
        "{head}"
    );
    let listing = curl("http://10.0.0.1/").stdout;
    assert!(listing.contains("hello.txt") && listing.contains("sub/"), "{listing}");
    for way_out in ["../secret", "%2e%2e/secret", "sub/../../secret", "link", "..%2fsecret"] {
        let code = curl(&format!(
            "--path-as-is -o /dev/null -w '%{{http_code}}' http://10.0.0.1/{way_out}"
        ))
        .stdout;
        assert!(code.starts_with('4'), "{way_out}: {code}");
    }
}

#[test]
fn a_thousand_connections_at_once_each_get_their_own_bytes_back() {
    let Some(mut stack) = Instance::start("thousand", &[]) else { return };
    stack.run("serve echo 7");
    // This same test binary, run at the kernel's end, opens the kernel's sockets.
    let me = std::env::current_exe().unwrap();
    let test = ["--exact", "a_thousand_kernel_sockets", "--nocapture"];
    let mut command = stack.host_command(me.to_str().unwrap(), &test);
    command.env("TAPIP_KERNEL_CLIENT", "1");
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1000 echoes"), "{output:?}");
}

/// The client of [`a_thousand_connections_at_once_each_get_their_own_bytes_back`]: does nothing
/// unless it is run at the kernel's end.
#[test]
fn a_thousand_kernel_sockets() {
    use std::io::{Read as _, Write as _};
    if std::env::var_os("TAPIP_KERNEL_CLIENT").is_none() {
        return;
    }
    let mut streams: Vec<_> = (0..1000)
        .map(|n| {
            let stream = std::net::TcpStream::connect("10.0.0.1:7").expect("connects");
            stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
            (payload(n, 4096), stream)
        })
        .collect();
    for (bytes, stream) in &mut streams {
        stream.write_all(bytes).unwrap();
    }
    for (bytes, stream) in &mut streams {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert!(back == *bytes, "a connection got other bytes than its own");
    }
    println!("{} echoes", streams.len());
}

//! How a program ends: in order, whatever ends it. The peers are the kernel's sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use tests::Instance;

#[test]
fn sigterm_during_wait_sends_the_fins() {
    ended_by("TERM");
}

#[test]
fn sigint_during_wait_sends_the_fins() {
    ended_by("INT");
}

fn ended_by(signal: &str) {
    let Some(mut stack) = Instance::start(signal, &[]) else { return };
    stack.run("serve echo 7; serve chargen 19");
    let mut client = Client::start(&stack);
    client.wait_for("connected");
    stack.send("wait");
    let kill = format!("kill -{signal} {}", stack.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(stack.finish(), 0, "a signal is how waiting is meant to end");
    // Had the stack reset its connections, reads would have failed.
    client.wait_for("7: end of file");
    client.wait_for("19: end of file");
    assert!(client.child.wait().unwrap().success());
}

#[test]
fn the_end_of_the_input_sends_what_is_due_and_the_fins() {
    let Some(mut stack) = Instance::start("eof", &[]) else { return };
    stack.run("serve echo 7; serve chargen 19");
    let mut client = Client::start(&stack);
    client.wait_for("connected");
    assert_eq!(stack.finish(), 0);
    client.wait_for("7: end of file");
    client.wait_for("19: end of file");
    assert!(client.child.wait().unwrap().success());
}

/// [`a_kernel_client`], running at the kernel's end.
struct Client {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn start(stack: &Instance) -> Client {
        let me = std::env::current_exe().unwrap();
        let test = ["--exact", "a_kernel_client", "--nocapture"];
        let mut command = stack.host_command(me.to_str().unwrap(), &test);
        command.env("TAPIP_KERNEL_CLIENT", "1").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Client { child, stdout }
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let n = self.stdout.read_line(&mut line).unwrap();
            assert!(n > 0, "the client ended before `{text}`");
        }
    }
}

/// What [`Client`] runs.
#[test]
fn a_kernel_client() {
    if std::env::var_os("TAPIP_KERNEL_CLIENT").is_none() {
        return;
    }
    let connect = |port: u16| {
        let mut stream = std::net::TcpStream::connect(("10.0.0.1", port)).expect("connects");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
        if port == 7 {
            stream.write_all(b"hello").unwrap();
        }
        // An answer: it is served, and does not wait in the backlog.
        stream.read_exact(&mut [0; 5]).unwrap();
        (port, stream)
    };
    // One that is idle by then, and one that has more to come than buffers hold.
    let streams = [connect(7), connect(19)];
    println!("connected");
    for (port, mut stream) in streams {
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => println!("{port}: end of file"),
            other => panic!("{port}: {other:?}"),
        }
    }
}

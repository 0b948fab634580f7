//! The conformance kit, held against each UDP of this crate, and against none.

#[path = "conformance/exceptions.rs"]
mod exceptions;

mod whole {
    use udp::{Config, Udp};

    udp::conformance_tests!(make: |seed| Box::new(Udp::new(Config::default(), seed)));
}

mod simple {
    udp::conformance_tests!(
        udp::SimpleUdp,
        exceptions: super::exceptions::SIMPLE_UDP
    );
}

/// A layer that does nothing keeps no case: none is a matter of course.
mod nothing {
    use std::net::{Ipv4Addr, SocketAddr};

    use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError, Ttl};
    use netdev::{Counter, Instant};
    use udp::conformance::{KIT, Make};
    use udp::{Datagrams, DropReason, Info, Input, Received, Setting};

    struct Nothing;

    impl Datagrams for Nothing {
        fn open(&mut self) -> Result<Handle, SocketError> {
            Ok(Handle { index: 0, generation: 0 })
        }
        fn bind(&mut self, _: Handle, _: SocketAddr, _: &dyn Output) -> Result<(), SocketError> {
            Ok(())
        }
        fn connect(
            &mut self,
            _: Instant,
            _: Handle,
            _: Option<SocketAddr>,
            _: &dyn Output,
        ) -> Result<(), SocketError> {
            Ok(())
        }
        fn send(
            &mut self,
            _: Instant,
            _: Handle,
            _: Option<SocketAddr>,
            data: &[u8],
            _: &mut dyn Output,
        ) -> Result<usize, SocketError> {
            Ok(data.len())
        }
        fn receive(&mut self, _: Handle, _: bool) -> Result<Received, SocketError> {
            Err(SocketError::WouldBlock)
        }
        fn set(&mut self, _: Handle, _: Setting) -> Result<(), SocketError> {
            Ok(())
        }
        fn take_error(&mut self, _: Handle) -> Option<SocketError> {
            None
        }
        fn readiness(&self, _: Handle) -> Readiness {
            Readiness::WRITABLE
        }
        fn info(&self, handle: Handle) -> Result<Info, SocketError> {
            Ok(Info {
                handle,
                local: (Ipv4Addr::UNSPECIFIED, 0).into(),
                peer: None,
                receive_queue: 0,
                drops: 0,
                ttl: Ttl::DEFAULT,
                broadcast: false,
                receive_buffer: 0,
            })
        }
        fn close(&mut self, _: Handle) {}
        fn input(&mut self, _: Instant, _: Datagram) -> Input {
            Input::Dropped(DropReason::GroupUnclaimed)
        }
        fn error(&mut self, _: Instant, _: Cause, _: &Quoted) {}
        fn poll(&mut self, _: Instant, _: &mut dyn Output) {}
        fn poll_at(&self) -> Option<Instant> {
            None
        }
        fn changed(&mut self) -> Option<Handle> {
            None
        }
        fn sockets(&self) -> Vec<Info> {
            Vec::new()
        }
        fn counters(&self) -> Vec<Counter> {
            Vec::new()
        }
    }

    #[test]
    fn keeps_no_case() {
        let make: Make = |_seed| Box::new(Nothing);
        let grade = netdev::conformance::grade("nothing", KIT, make);
        let kept = grade.marks.iter().filter(|mark| mark.failure.is_none());
        let kept: Vec<&str> = kept.map(|mark| mark.case.as_str()).collect();
        assert_eq!(kept, [""; 0]);
        assert!(grade.marks.len() >= 30, "{} cases", grade.marks.len());
    }
}

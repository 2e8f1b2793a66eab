//! The names and traits of `corobin::{net, fs, process, signal}`, used as those of std.

use corobin::net::*;
use corobin::*;
use std::fmt::Debug;
use std::io::{self, BufRead, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::*;
use std::time::Duration;

fn rw<
    T: Read + Write + AsFd + AsRawFd + From<OwnedFd> + Into<OwnedFd> + IntoRawFd + Debug + 'static,
>()
where
    for<'a> &'a T: Read + Write,
{
}
fn fd<T: AsFd + AsRawFd + From<OwnedFd> + Into<OwnedFd> + IntoRawFd + Debug + 'static>() {}

#[test]
fn traits() {
    rw::<TcpStream>();
    rw::<UnixStream>();
    fd::<TcpListener>();
    fd::<UdpSocket>();
    fd::<UnixListener>();
    fd::<UnixDatagram>();
    rw::<corobin::fs::File>();
    fn pipe<T: AsFd + AsRawFd + From<OwnedFd> + Into<OwnedFd> + Into<process::Stdio>>() {}
    pipe::<process::ChildStdin>();
    pipe::<process::ChildStdout>();
    pipe::<process::ChildStderr>();
    fn output<T: Write + AsFd + AsRawFd + Into<process::Stdio>>()
    where
        for<'a> &'a T: Write,
    {
    }
    output::<corobin::io::Stdout>();
    output::<corobin::io::Stderr>();
    fn lock<T: Write + AsFd + AsRawFd + std::fmt::Debug>(_: fn() -> T) {}
    lock::<corobin::io::StdoutLock<'static>>(|| corobin::io::stdout().lock());
    lock::<corobin::io::StderrLock<'static>>(|| corobin::io::stderr().lock());
    fn unpin<T: Unpin>() {}
    unpin::<JoinHandle<std::marker::PhantomPinned>>();
    fn seek<T: Seek>()
    where
        for<'a> &'a T: Seek,
    {
    }
    seek::<corobin::fs::File>();
    // std conversions
    fn conv<A: From<B>, B>() {}
    conv::<TcpStream, std::net::TcpStream>();
    conv::<TcpListener, std::net::TcpListener>();
    conv::<UdpSocket, std::net::UdpSocket>();
    conv::<UnixStream, std::os::unix::net::UnixStream>();
    conv::<corobin::fs::File, std::fs::File>();
}

#[test]
fn tcp_methods() -> io::Result<()> {
    run(|| -> io::Result<()> {
        let l = TcpListener::bind(("127.0.0.1", 0))?;
        let addr: SocketAddr = l.local_addr()?;
        let l2: TcpListener = l.try_clone()?;
        drop(l2);
        l.set_ttl(50)?;
        assert_eq!(l.ttl()?, 50);
        assert!(l.take_error()?.is_none());
        let c = TcpStream::connect(addr)?;
        let (s, peer) = l.accept()?;
        assert_eq!(peer, c.local_addr()?);
        assert_eq!(c.peer_addr()?, addr);
        c.set_nodelay(true)?;
        assert!(c.nodelay()?);
        c.set_ttl(44)?;
        assert_eq!(c.ttl()?, 44);
        c.set_read_timeout(Some(Duration::from_millis(40)))?;
        assert_eq!(c.read_timeout()?, Some(Duration::from_millis(40)));
        c.set_write_timeout(None)?;
        assert_eq!(c.write_timeout()?, None);
        let e = c.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
        let mut b = [0; 8];
        let e = (&c).read(&mut b).unwrap_err();
        assert!(matches!(e.kind(), io::ErrorKind::WouldBlock), "{e:?}");
        let e2 = {
            let (x, _y) = std::os::unix::net::UnixStream::pair()?;
            x.set_read_timeout(Some(Duration::from_millis(1)))?;
            (&x).read(&mut b).unwrap_err()
        };
        assert_eq!(e.to_string(), e2.to_string());
        (&s).write_all(b"hello")?;
        assert_eq!(c.peek(&mut b)?, 5);
        let mut x = [0; 2];
        let mut y = [0; 8];
        let n = (&c).read_vectored(&mut [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)])?;
        assert_eq!(n, 5);
        assert_eq!(
            (&s).write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])?,
            3
        );
        (&s).flush()?;
        let mut r = io::BufReader::new(&c);
        s.shutdown(Shutdown::Write)?;
        let mut line = String::new();
        r.read_line(&mut line)?;
        assert_eq!(line, "abc");
        let d = c.try_clone()?;
        drop(c);
        let _ = d.as_fd();
        let _: RawFd = d.as_raw_fd();
        let _: OwnedFd = d.into();
        let c = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        l.incoming().next().unwrap()?;
        let e = TcpStream::connect_timeout(&addr, Duration::ZERO).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
        let _ = format!("{c:?} {l:?}");
        let e = TcpStream::connect("127.0.0.1:1").unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
        let _ = TcpStream::connect("127.0.0.1").unwrap_err();
        let _ = ("localhost", 80).to_socket_addrs();
        let addrs: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().unwrap(), addr];
        TcpStream::connect(&addrs[..])?;
        TcpListener::bind("localhost:0")?;
        l.set_nonblocking(true)?;
        let _ = l.accept()?;
        let e = l.accept().unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        fn is_incoming(_: impl Iterator<Item = io::Result<TcpStream>> + Debug) {}
        is_incoming(l.incoming());
        Ok(())
    })
}

#[test]
fn udp_unix() -> io::Result<()> {
    run(|| -> io::Result<()> {
        let a = UdpSocket::bind("127.0.0.1:0")?;
        let b = UdpSocket::bind("127.0.0.1:0")?;
        a.send_to(b"x", b.local_addr()?)?;
        let mut buf = [0; 4];
        assert_eq!(b.peek_from(&mut buf)?, (1, a.local_addr()?));
        assert_eq!(b.recv_from(&mut buf)?, (1, a.local_addr()?));
        a.connect(b.local_addr()?)?;
        a.send(b"yy")?;
        assert_eq!(b.peek(&mut buf)?, 2);
        assert_eq!(b.recv(&mut buf)?, 2);
        assert_eq!(a.peer_addr()?, b.local_addr()?);
        a.set_broadcast(true)?;
        assert!(a.broadcast()?);
        a.set_ttl(3)?;
        assert_eq!(a.ttl()?, 3);
        a.set_multicast_loop_v4(true)?;
        assert!(a.multicast_loop_v4()?);
        a.set_multicast_ttl_v4(3)?;
        a.multicast_ttl_v4()?;
        let _ = a.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 123), &Ipv4Addr::UNSPECIFIED);
        let _ = a.leave_multicast_v4(&Ipv4Addr::new(224, 0, 0, 123), &Ipv4Addr::UNSPECIFIED);
        a.take_error()?;
        let _ = a.try_clone()?;
        a.set_nonblocking(true)?;
        a.set_read_timeout(Some(Duration::from_secs(1)))?;
        a.read_timeout()?;
        a.set_write_timeout(None)?;
        a.write_timeout()?;
        assert_eq!(
            a.recv(&mut buf).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );

        let (mut p, mut q) = UnixStream::pair()?;
        p.write_all(b"hi")?;
        let mut two = [0; 2];
        q.read_exact(&mut two)?;
        p.local_addr()?;
        p.peer_addr()?;
        p.take_error()?;
        let _ = p.try_clone()?;
        p.shutdown(Shutdown::Both)?;
        p.set_read_timeout(None)?;
        p.read_timeout()?;
        p.set_write_timeout(None)?;
        p.write_timeout()?;
        p.set_nonblocking(false)?;
        let dir = std::env::temp_dir().join(format!("spec-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let path = dir.join("s");
        let l = UnixListener::bind(&path)?;
        let c = UnixStream::connect(&path)?;
        let (s, peer) = l.accept()?;
        assert_eq!(l.local_addr()?.as_pathname(), Some(&*path));
        let _ = format!("{peer:?} {c:?} {s:?}");
        let _ = l.try_clone()?;
        l.take_error()?;
        l.set_nonblocking(false)?;
        let c2 = UnixStream::connect_addr(&l.local_addr()?)?;
        drop(c2);
        for s in l.incoming().take(1) {
            let _: UnixStream = s?;
        }
        let _ = UnixStream::connect(&path)?;
        assert!((&l).into_iter().next().unwrap().is_ok());
        let (d, e) = UnixDatagram::pair()?;
        d.send(b"abc")?;
        let mut b = [0; 9];
        assert_eq!(e.recv(&mut b)?, 3);
        let u = UnixDatagram::bind(dir.join("d"))?;
        let v = UnixDatagram::unbound()?;
        v.send_to(b"q", dir.join("d"))?;
        let (n, _from) = u.recv_from(&mut b)?;
        assert_eq!(n, 1);
        v.connect(dir.join("d"))?;
        v.send(b"k")?;
        u.recv(&mut b)?;
        v.shutdown(Shutdown::Both)?;
        let _ = v.try_clone()?;
        v.set_read_timeout(None)?;
        v.local_addr()?;
        v.peer_addr()?;
        v.take_error()?;
        u.set_nonblocking(true)?;
        v.send_to_addr(b"k", &u.local_addr()?).ok();
        u.connect_addr(&u.local_addr()?)?;
        std::fs::remove_dir_all(&dir)?;
        Ok(())
    })
}

#[test]
fn fs_names() -> io::Result<()> {
    run(|| -> io::Result<()> {
        use corobin::fs::{self, File, OpenOptions};
        let dir = std::env::temp_dir().join(format!("spec-fs-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b"))?;
        fs::create_dir(dir.join("c"))?;
        fs::write(dir.join("f"), "text")?;
        fs::write(dir.join("g"), b"bytes")?;
        fs::write(dir.join("h"), vec![1u8])?;
        assert_eq!(fs::read_to_string(dir.join("f"))?, "text");
        assert_eq!(fs::read(dir.join("g"))?, b"bytes");
        fs::copy(dir.join("f"), dir.join("f2"))?;
        fs::rename(dir.join("f2"), dir.join("f3"))?;
        fs::hard_link(dir.join("f3"), dir.join("f4"))?;
        let m = fs::metadata(dir.join("f"))?;
        assert!(m.is_file());
        assert_eq!(m.len(), 4);
        fs::symlink_metadata(dir.join("f"))?;
        fs::set_permissions(dir.join("f"), m.permissions())?;
        fs::canonicalize(&dir)?;
        assert!(fs::exists(dir.join("f"))?);
        std::os::unix::fs::symlink("f", dir.join("ln"))?;
        assert_eq!(fs::read_link(dir.join("ln"))?.to_str(), Some("f"));
        let mut names: Vec<_> = fs::read_dir(&dir)?
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "c", "f", "f3", "f4", "g", "h", "ln"]);
        for e in fs::read_dir(&dir)? {
            let e: fs::DirEntry = e?;
            let _ = e.path();
            e.metadata()?;
            e.file_type()?;
        }
        let mut f = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .append(false)
            .create_new(false)
            .open(dir.join("n"))?;
        f.write_all(b"0123456789")?;
        f.seek(SeekFrom::Start(3))?;
        f.rewind()?;
        f.set_len(5)?;
        f.sync_all()?;
        f.sync_data()?;
        f.metadata()?;
        f.try_clone()?;
        let mut s = String::new();
        f.read_to_string(&mut s)?;
        assert_eq!(s, "01234");
        f.set_permissions(f.metadata()?.permissions())?;
        assert_eq!(f.stream_position()?, 5);
        f.set_modified(std::time::SystemTime::now())?;
        f.set_times(std::fs::FileTimes::new())?;
        f.lock()?;
        f.unlock()?;
        f.lock_shared()?;
        f.unlock()?;
        f.try_lock().unwrap();
        f.try_lock_shared().ok();
        let g = File::open(dir.join("n"))?;
        let mut v = Vec::new();
        (&g).read_to_end(&mut v)?;
        File::create(dir.join("o"))?;
        assert!(File::create_new(dir.join("o")).is_err());
        File::options().read(true).open(dir.join("o"))?;
        {
            use std::os::unix::fs::FileExt;
            let mut b = [0; 2];
            g.read_at(&mut b, 1)?;
            assert_eq!(&b, b"12");
            let _ = g.read_exact_at(&mut b, 1);
        }
        {
            use std::os::unix::fs::OpenOptionsExt;
            OpenOptions::new()
                .read(true)
                .mode(0o600)
                .custom_flags(0)
                .open(dir.join("o"))?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .create(dir.join("x/y/z"))?;
        fs::remove_file(dir.join("o"))?;
        fs::remove_dir(dir.join("c"))?;
        fs::remove_dir_all(&dir)?;
        assert_eq!(
            fs::read("/no/such").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let _ = format!("{f:?}");
        let _: fs::Metadata = m;
        let _: Option<fs::Permissions> = None;
        let _: Option<fs::FileType> = None;
        let _: Option<fs::ReadDir> = None;
        Ok(())
    })
}

#[test]
fn process_names() -> io::Result<()> {
    run(|| -> io::Result<()> {
        use corobin::process::*;
        let o: Output = Command::new("sh")
            .arg("-c")
            .args(["echo out; echo err >&2; exit 3"])
            .output()?;
        assert_eq!(o.status.code(), Some(3));
        assert_eq!(o.stdout, b"out\n");
        assert_eq!(o.stderr, b"err\n");
        let s: ExitStatus = Command::new("true").status()?;
        assert!(s.success());
        let mut c: Child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env("A", "b")
            .env_remove("C")
            .env_clear()
            .envs([("P", "q")])
            .current_dir("/")
            .spawn()?;
        let mut i: ChildStdin = c.stdin.take().unwrap();
        let _x: Option<ChildStderr> = c.stderr.take();
        i.write_all(b"hello")?;
        drop(i);
        let mut out = String::new();
        let mut so: ChildStdout = c.stdout.take().unwrap();
        so.read_to_string(&mut out)?;
        assert_eq!(out, "hello");
        assert!(c.wait()?.success());
        assert!(c.wait()?.success());
        let _ = c.id();
        let mut c = Command::new("sleep").arg("100").spawn()?;
        assert!(c.try_wait()?.is_none());
        c.kill()?;
        let s = c.wait()?;
        {
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(s.signal(), Some(9));
        }
        let c = Command::new("echo")
            .arg("hi")
            .stdout(Stdio::piped())
            .spawn()?;
        assert_eq!(c.wait_with_output()?.stdout, b"hi\n");
        assert_eq!(
            Command::new("/no/such/program").spawn().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let mut cmd = Command::new("x");
        cmd.arg("y");
        assert_eq!(format!("{cmd:?}"), r#""x" "y""#);
        assert_eq!(cmd.get_program(), "x");
        assert_eq!(cmd.get_args().collect::<Vec<_>>(), ["y"]);
        assert_eq!((cmd.get_envs().count(), cmd.get_current_dir()), (0, None));
        let mut c = Command::new("true");
        c.arg0("false");
        c.process_group(0);
        c.status()?;
        // pipe one to another
        let mut a = Command::new("echo")
            .arg("zz")
            .stdout(Stdio::piped())
            .spawn()?;
        let o = Command::new("cat")
            .stdin(Stdio::from(a.stdout.take().unwrap()))
            .output()?;
        assert_eq!(o.stdout, b"zz\n");
        a.wait()?;
        let mut a = Command::new("echo")
            .arg("zz")
            .stdout(Stdio::piped())
            .spawn()?;
        let o = Command::new("cat")
            .stdin(a.stdout.take().unwrap())
            .output()?;
        assert_eq!(o.stdout, b"zz\n");
        a.wait()?;
        let _ = Stdio::inherit();
        Ok(())
    })
}

#[test]
fn signal_names() {
    use corobin::signal::{Signals, ctrl_c};
    run(|| {
        let usr1 = rustix::process::Signal::USR1;
        let signals: Signals = Signals::new([usr1.as_raw()]).unwrap();
        rustix::process::kill_process(rustix::process::getpid(), usr1).unwrap();
        assert_eq!(signals.recv().unwrap(), usr1.as_raw());
        let waited: Result<io::Result<()>, Elapsed> = timeout(Duration::from_millis(1), ctrl_c);
        assert!(waited.is_err());
        assert!(Signals::new([12, 10].iter()).is_ok());
        let kill = Signals::new([9]).unwrap_err();
        assert_eq!(kill.kind(), io::ErrorKind::InvalidInput);
    });
}

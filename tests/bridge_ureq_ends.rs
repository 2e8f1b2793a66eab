//! How requests by ureq end early: timeouts, cancels, servers that break off.
#![cfg(feature = "ureq")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/client.rs"]
mod client;
#[path = "common/http.rs"]
mod http;

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use backends::{on_each, on_each_with};
use client::{agent, config, get};
use corobin::net::{TcpListener, TcpStream};
use corobin::sync::Event;
use corobin::{JoinError, JoinHandle, now, sleep, spawn, timeout, to_thread, yield_now};
use http::{Server, answer};
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;
use ureq::{Error, Timeout};

#[test]
fn timeouts_follow_the_virtual_clock() {
    let time = Duration::from_secs(20);
    let limit = Some(time);
    let virtually = |f: &dyn Fn()| on_each_with(|builder| builder.virtual_time(true), f);
    let agent = |config: ConfigBuilder<AgentScope>| corobin::ureq::agent_with(config.build());
    // It never answers.
    virtually(&|| {
        let server = Server::start(|_, _| {
            sleep(Duration::MAX);
            Ok(())
        });
        let begin = now();
        for (config, reason) in [
            (config().timeout_per_read(limit), Timeout::PerRead),
            (config().timeout_recv_response(limit), Timeout::RecvResponse),
            (config().timeout_global(limit), Timeout::Global),
        ] {
            let result = get(&agent(config), &server.url(""));
            assert!(
                matches!(result, Err(Error::Timeout(r)) if r == reason),
                "{result:?}"
            );
            if reason == Timeout::PerRead {
                assert_eq!(now() - begin, time);
            }
        }
    });
    // It stops in the middle of the body.
    virtually(&|| {
        let server = Server::start(|_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
            sleep(Duration::MAX);
            Ok(())
        });
        let result = get(&agent(config().timeout_recv_body(limit)), &server.url(""));
        assert!(
            matches!(result, Err(Error::Timeout(Timeout::RecvBody))),
            "{result:?}"
        );
    });
    // It does not read what is sent.
    virtually(&|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let data = vec![0; 64 << 20];
        let result = agent(config().timeout_send_body(limit))
            .post(&url)
            .send(&data);
        assert!(
            matches!(result, Err(Error::Timeout(Timeout::SendBody))),
            "{result:?}"
        );
        let begin = now();
        let result = agent(config().timeout_per_write(limit))
            .post(&url)
            .send(&data);
        assert!(
            matches!(result, Err(Error::Timeout(Timeout::PerWrite))),
            "{result:?}"
        );
        assert_eq!(now() - begin, time);
    });
}

#[test]
fn a_server_that_breaks_off_is_an_error() {
    on_each(|| {
        let reset = |stream: &mut TcpStream| stream.set_linger(Some(Duration::ZERO));
        // Before it answers.
        let server = Server::start(move |_, stream| {
            reset(stream)?;
            Err(ErrorKind::Other.into())
        });
        let result = get(&agent(), &server.url(""));
        let is_reset = |error: &Error| match error {
            Error::Io(error) => error.kind() == ErrorKind::ConnectionReset,
            _ => false,
        };
        assert!(result.as_ref().is_err_and(is_reset), "{result:?}");
        // In the middle of the body.
        for resets in [true, false] {
            let server = Server::start(move |_, stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
                if resets {
                    reset(stream)?;
                }
                Err(ErrorKind::Other.into())
            });
            let result = get(&agent(), &server.url(""));
            assert!(result.is_err(), "{result:?}");
        }
        // Nobody is there.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let result = get(&agent(), &format!("http://{address}/"));
        let is_refused = |error: &Error| match error {
            Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
            _ => false,
        };
        assert!(result.as_ref().is_err_and(is_refused), "{result:?}");
    });
}

/// Waiting for what there is no room for would be for ever.
#[test]
fn a_head_that_fills_the_buffer_is_an_error() {
    const SIZE: usize = 100;
    on_each(|| {
        let server = Server::start(|_, stream| {
            let start = "HTTP/1.1 200 OK\r\nX-Large: ";
            stream.write_all(format!("{start:x<SIZE$}").as_bytes())
        });
        let agent = corobin::ureq::agent_with(config().input_buffer_size(SIZE).build());
        let result = get(&agent, &server.url(""));
        assert!(result.is_err(), "{result:?}");
    });
}

/// A server that stops at `/stop`, before the answer or in the middle of it, and notes when that
/// connection is closed. It answers all else.
fn stopping(begins: bool, stopped: &Rc<Event>, closed: &Rc<Event>) -> Server {
    let (stopped, closed) = (Rc::clone(stopped), Rc::clone(closed));
    Server::start(move |request, stream| {
        if request.line() != "GET /stop HTTP/1.1" {
            return answer(stream, request.line().as_bytes());
        }
        if begins {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
        }
        stopped.set();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        closed.set();
        Ok(())
    })
}

#[test]
fn a_cancel_closes_the_connection_and_the_agent_goes_on() {
    for begins in [false, true] {
        on_each(|| {
            let (stopped, closed) = (Rc::new(Event::new()), Rc::new(Event::new()));
            let server = stopping(begins, &stopped, &closed);
            let agent = agent();
            get(&agent, &server.url("before")).unwrap();
            let client = spawn({
                let (agent, url) = (agent.clone(), server.url("stop"));
                move || get(&agent, &url).map(drop)
            });
            stopped.wait();
            client.cancel();
            assert!(matches!(client.join(), Err(JoinError::Cancelled)));
            closed.wait();
            let line = get(&agent, &server.url("after")).unwrap();
            assert_eq!(line, "GET /after HTTP/1.1");
            assert_eq!(server.connections(), 2);
        });
    }
}

#[test]
fn an_expiry_closes_the_connection_and_the_agent_goes_on() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (stopped, closed) = (Rc::new(Event::new()), Rc::new(Event::new()));
            let server = stopping(true, &stopped, &closed);
            let agent = agent();
            // Virtual time stands still while a thread is at work.
            let (go_on, goes_on) = std::sync::mpsc::channel();
            spawn(move || to_thread(move || goes_on.recv()));
            let client = spawn({
                let (agent, url) = (agent.clone(), server.url("stop"));
                move || timeout(Duration::from_secs(1), || get(&agent, &url).map(drop))
            });
            stopped.wait();
            go_on.send(()).unwrap();
            assert!(client.join().unwrap().is_err());
            closed.wait();
            let line = get(&agent, &server.url("after")).unwrap();
            assert_eq!(line, "GET /after HTTP/1.1");
        },
    );
}

/// An expiry takes nothing with it of what comes after.
#[test]
fn a_body_can_be_read_on_after_an_expiry() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let expired = Rc::new(Event::new());
            let goes_on = Rc::clone(&expired);
            let server = Server::start(move |_, stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
                goes_on.wait();
                stream.write_all(b"more")
            });
            let mut response = agent().get(server.url("")).call().unwrap();
            let mut body = response.body_mut().as_reader();
            body.read_exact(&mut [0; 4]).unwrap();
            let mut rest = String::new();
            let late = timeout(Duration::from_secs(1), || body.read_to_string(&mut rest));
            assert!(late.is_err());
            expired.set();
            body.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "more");
        },
    );
}

#[test]
fn a_pending_cancel_is_raised_before_anything_is_sent() {
    on_each(|| {
        let requests = Rc::new(Cell::new(0));
        let count = Rc::clone(&requests);
        let server = Server::start(move |_, stream| {
            count.set(count.get() + 1);
            answer(stream, b"")
        });
        let agent = agent();
        get(&agent, &server.url("")).unwrap();
        // With an idle connection, and with none.
        for agent in [agent, client::agent()] {
            let own = Rc::new(RefCell::new(None::<JoinHandle<_>>));
            let (handle, url) = (Rc::clone(&own), server.url(""));
            *own.borrow_mut() = Some(spawn(move || {
                handle.borrow().as_ref().unwrap().cancel();
                get(&agent, &url).map(drop)
            }));
            yield_now();
            let client = own.borrow_mut().take().unwrap();
            assert!(matches!(client.join(), Err(JoinError::Cancelled)));
        }
        get(&client::agent(), &server.url("")).unwrap();
        assert_eq!(requests.get(), 2);
    });
}

#[test]
fn a_shutdown_reaches_who_waits_in_another_coroutine() {
    on_each(|| {
        let (stopped, closed) = (Rc::new(Event::new()), Rc::new(Event::new()));
        let server = stopping(false, &stopped, &closed);
        let agent = agent();
        let client = spawn({
            let (agent, url) = (agent.clone(), server.url("stop"));
            move || get(&agent, &url).map(drop)
        });
        stopped.wait();
        agent.clone().shutdown();
        let result = client.join().unwrap();
        assert!(result.is_err(), "{result:?}");
        assert!(matches!(get(&agent, &server.url("")), Err(Error::Io(_))));
    });
}

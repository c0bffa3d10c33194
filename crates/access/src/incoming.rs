//! Connections as they come in, each behind its handshake.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::certificate::Certificate;
use crate::tls::ServerTls;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes that may be under way at once; who comes later waits for one of them to end.
const HANDSHAKES_AT_ONCE: usize = 512;
/// How long to wait when no more files can be opened, or the like.
const PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; that of a proxy, if one stands between.
    pub address: SocketAddr,
    /// Its certificate, if it has shown one. The handshake has checked it.
    pub certificate: Option<Arc<Certificate>>,
}

/// A connection, after its handshake if there is one.
pub struct Connection {
    io: Io,
    peer: Peer,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connections that come in at `listener`. A handshake that takes long, or fails, keeps nobody else waiting. The listener is
/// closed when the stream is dropped.
pub fn incoming(listener: TcpListener, tls: Option<ServerTls>) -> impl Stream<Item = io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(accept(listener, tls, sender));
    futures::stream::unfold(receiver, |mut receiver| async { Some((Ok(receiver.recv().await?), receiver)) })
}

async fn accept(listener: TcpListener, tls: Option<ServerTls>, sender: mpsc::Sender<Connection>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
    loop {
        let next = async {
            let permit = handshakes.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = sender.closed() => return,
            next = next => next,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of a client that is gone already there is nothing to say.
                if !matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) {
                    tracing::warn!(%error, "a connection could not be taken; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        // Answers are small: none may wait for a packet to fill.
        let _ = stream.set_nodelay(true);
        match &tls {
            None => {
                let peer = Peer { address, certificate: None };
                let _ = sender.send(Connection { io: Io::Plain(stream), peer }).await;
            }
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.current());
                tokio::spawn(shake_hands(acceptor, stream, address, sender.clone(), permit.ok()));
            }
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    sender: mpsc::Sender<Connection>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%address, %error, "a connection was refused: its TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::info!(%address, "a connection was refused: its TLS handshake took too long");
            return;
        }
    };
    drop(permit);
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.map(|it| Arc::new(Certificate::of(it)));
    let _ = sender.send(Connection { io: Io::Tls(Box::new(stream)), peer: Peer { address, certificate } }).await;
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! Raw streams to peers as a libp2p behaviour: opens those it is told to, hands out those that
//! peers open. What is said on them is for `lanes`.
//!
//! Connections are kept as long as they work, because members are never done with one another.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use ledger::digest::Digest;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::wire::Lane;

/// Names a stream that we asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Token(pub(super) u64);

/// What became of a stream.
#[derive(Debug)]
pub(super) enum Opened {
    /// The peer opened one.
    Inbound(Lane, Stream),
    /// One that we asked for stands.
    Outbound(Token, Stream),
    /// One that we asked for does not: the peer speaks another protocol, or the link broke.
    Failed(Token),
}

/// Streams on all connections.
pub(super) struct Streams {
    protocols: [(Lane, StreamProtocol); 3],
    actions: VecDeque<ToSwarm<(PeerId, Opened), (Lane, Token)>>,
}

impl Streams {
    pub(super) fn new(chain: &Digest) -> Self {
        Self { protocols: Lane::ALL.map(|lane| (lane, lane.protocol(chain))), actions: VecDeque::new() }
    }

    /// Opens a stream on this connection. If the connection closes first, nothing comes of it.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId, lane: Lane, token: Token) {
        let handler = NotifyHandler::One(connection);
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: (lane, token) });
    }

    fn handler(&self) -> Handler {
        Handler { protocols: self.protocols.clone(), asked: VecDeque::new(), opened: VecDeque::new() }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = (PeerId, Opened);

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        self.actions.push_back(ToSwarm::GenerateEvent((peer, event)));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Streams on one connection.
pub(super) struct Handler {
    protocols: [(Lane, StreamProtocol); 3],
    asked: VecDeque<(Lane, Token)>,
    opened: VecDeque<Opened>,
}

/// The lanes that a peer may open.
pub(super) struct Offered([(Lane, StreamProtocol); 3]);

/// A lane under its name.
#[derive(Clone)]
pub(super) struct Named(Lane, StreamProtocol);

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.1.as_ref()
    }
}

impl UpgradeInfo for Offered {
    type Info = Named;
    type InfoIter = std::array::IntoIter<Named, 3>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().map(|(lane, name)| Named(lane, name)).into_iter()
    }
}

impl InboundUpgrade<Stream> for Offered {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, chosen: Named) -> Self::Future {
        ready(Ok((chosen.0, stream)))
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = (Lane, Token);
    type ToBehaviour = Opened;
    type InboundProtocol = Offered;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Token;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(Offered(self.protocols.clone()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Token, Self::ToBehaviour>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        let Some((lane, token)) = self.asked.pop_front() else { return Poll::Pending };
        let name = self.protocols.iter().find(|(l, _)| *l == lane).map(|(_, name)| name.clone());
        match name {
            Some(name) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(name), token),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, asked: Self::FromBehaviour) {
        self.asked.push_back(asked);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Token>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (lane, stream),
                ..
            }) => {
                self.opened.push_back(Opened::Inbound(lane, stream));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.opened.push_back(Opened::Outbound(info, protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) => {
                self.opened.push_back(Opened::Failed(info));
            }
            _ => {}
        }
    }
}

"""The oracle of hDQNN's update: TD3 with the paper's actor, in modules and torch.optim."""

import copy

import numpy as np
import torch
from torch import nn

from hpcqrl.quantum.torch_circuit import torch_expval
from hpcqrl.systems.hdqnn_td3 import Agent


class Reference:
    """TD3 (Fujimoto et al., Algorithm 1) with the paper's actor, in modules and torch.optim."""

    def __init__(self, agent: Agent) -> None:
        def module(network: str, *sizes: tuple[str, int, int]) -> nn.ModuleDict:
            layers = nn.ModuleDict({name.replace(".", "_"): nn.Linear(*size) for name, *size in sizes})
            for name, *_ in sizes:
                layer = layers[name.replace(".", "_")]
                for kind in ("weight", "bias"):
                    getattr(layer, kind).data = start[f"{network}.{name}.{kind}"].clone()
            return layers

        start = agent.model.layout.split(agent.trained.theta.clone())
        n = agent.model.actor.n_angles
        actor = [("pre.0", 2, 8), ("pre.1", 8, n + 2), ("post.0", 5, 8), ("post.1", 8, 1)]
        if agent.config.block == "fc":
            actor.append(("block", n, 3))
        self.marginals = agent.config.measure == "marginals"
        self.surrogate, self.random = agent.config.surrogate, copy.deepcopy(agent.model.actor.random)
        if agent.config.block == "pqc":  # measured with the same random numbers; gradients by torch alone
            self.device, self.expval = copy.deepcopy(agent.model.actor.device), torch_expval(agent.model.actor.circuit)
        self.n, self.networks = n, {"actor": module("actor", *actor)}
        for name in ("critic_1", "critic_2"):
            self.networks[name] = module(name, ("state", 2, 8), ("joint.0", 9, 8), ("joint.1", 8, 1))
        if agent.config.block == "pqc" and self.surrogate != "exact":
            self.networks["qtdnn"] = module("qtdnn", ("0", n, 16), ("1", 16, 3))
        self.targets = copy.deepcopy({name: self.networks[name] for name in ("actor", "critic_1", "critic_2")})
        self.optimisers = {name: torch.optim.Adam(net.parameters(), lr=3e-4) for name, net in self.networks.items()}

    def logits(self, angles):
        net = self.networks["qtdnn"]
        return net["1"](nn.functional.leaky_relu(net["0"](angles)))

    def act(self, net, s):
        pre = net["pre_1"](nn.functional.leaky_relu(net["pre_0"](s)))
        angles, links = pre[:, : self.n], pre[:, self.n :]
        if "block" in net:
            bits = net["block"](angles)
        elif self.surrogate == "exact":
            bits = 0.5 - 0.5 * self.expval(angles, torch.zeros(0))
            drawn = torch.from_numpy(self.device.sample(angles.detach().numpy(), np.zeros(0), 1)[:, 0])
        else:
            bits = torch.sigmoid(self.logits(angles))
            if self.marginals:
                drawn = torch.from_numpy(self.random.binomial(5, bits.detach().double().numpy()) / 5)
            elif self.surrogate == "sampled":
                drawn = torch.from_numpy(self.random.random(bits.shape, np.float32)) < bits
        if self.surrogate != "expected" and "block" not in net:  # the gradient of the mean, whatever bit is drawn
            bits = bits + (drawn.float() - bits).detach()
        return torch.tanh(net["post_1"](nn.functional.leaky_relu(net["post_0"](torch.cat([bits, links], 1)))))

    def value(self, net, s, a):
        state = nn.functional.leaky_relu(net["state"](s))
        return net["joint_1"](nn.functional.leaky_relu(net["joint_0"](torch.cat([state, a], 1))))

    def move(self, names, loss):
        for name in names:
            self.optimisers[name].zero_grad()
        loss.backward()
        for name in names:
            self.optimisers[name].step()

    def fit(self, angles, bits):
        self.move(["qtdnn"], nn.functional.binary_cross_entropy(torch.sigmoid(self.logits(angles)), bits))

    def update(self, number, batch, noise, parts):
        """One update. With a qtDNN fitted to parts of the mini-batch it comes first, and the actor last; without, an
        actor's step comes before those of the critics and the qtDNN that it goes through.
        """
        s, a, r, s2, ended, angles, bits = batch
        with torch.no_grad():
            a2 = (self.act(self.targets["actor"], s2) + (0.2 * noise).clamp(-0.5, 0.5)).clamp(-1, 1)
            q2 = torch.min(*(self.value(self.targets[name], s2, a2) for name in ("critic_1", "critic_2")))
            y = r + 0.99 * (1 - ended) * q2
        actor_too = number % 2 == 0

        def move_actor():
            self.move(["actor"], -self.value(self.networks["critic_1"], s, self.act(self.networks["actor"], s)).mean())

        if actor_too and not parts:
            move_actor()
        for rows in parts if actor_too else []:
            self.fit(angles[rows], bits[rows])
        critics = ["critic_1", "critic_2"]
        self.move(critics, sum(nn.functional.mse_loss(self.value(self.networks[name], s, a), y) for name in critics))
        if actor_too and parts:
            move_actor()
        if not actor_too and not parts and "qtdnn" in self.networks:
            self.fit(angles, bits)
        if number % 2 == 0:
            for name, target in self.targets.items():
                for old, new in zip(target.parameters(), self.networks[name].parameters(), strict=True):
                    old.data = 0.995 * old.data + 0.005 * new.data

    def flat(self, networks, layout, given):
        parts = layout.split(given.clone())
        for name, value in parts.items():
            network, _, rest = name.partition(".")
            if network in networks:
                layer, _, kind = rest.rpartition(".")
                value.copy_(getattr(networks[network][layer.replace(".", "_")], kind).detach())
        return torch.cat([value.reshape(-1) for value in parts.values()])

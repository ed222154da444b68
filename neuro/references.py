"""Where equations and numbers come from: key -> full reference. `cite` prints those that objects used."""

import dataclasses

REFERENCES = {
    "rotter1999": "Rotter S, Diesmann M (1999). Exact digital simulation of time-invariant linear systems with "
    "applications to neuronal modeling. Biological Cybernetics 81:381-402. doi:10.1007/s004220050570",
    "nest": "Gewaltig M-O, Diesmann M (2007). NEST (NEural Simulation Tool). Scholarpedia 2(4):1430. "
    "doi:10.4249/scholarpedia.1430. Default parameters of the models named, NEST 3.10",
    "brette2007": "Brette R et al. (2007). Simulation of networks of spiking neurons: a review of tools and "
    "strategies. Journal of Computational Neuroscience 23:349-398. doi:10.1007/s10827-007-0038-6",
    "izhikevich2003": "Izhikevich EM (2003). Simple model of spiking neurons. IEEE Transactions on Neural Networks "
    "14(6):1569-1572. doi:10.1109/TNN.2003.820440",
    "song2000": "Song S, Miller KD, Abbott LF (2000). Competitive Hebbian learning through spike-timing-dependent "
    "synaptic plasticity. Nature Neuroscience 3:919-926. doi:10.1038/78829",
    "vanrossum2000": "van Rossum MCW, Bi GQ, Turrigiano GG (2000). Stable Hebbian learning from spike "
    "timing-dependent plasticity. Journal of Neuroscience 20(23):8812-8821. doi:10.1523/JNEUROSCI.20-23-08812.2000",
    "gutig2003": "Gutig R, Aharonov R, Rotter S, Sompolinsky H (2003). Learning input correlations through nonlinear "
    "temporally asymmetric Hebbian plasticity. Journal of Neuroscience 23(9):3697-3714. "
    "doi:10.1523/JNEUROSCI.23-09-03697.2003",
    "eshraghian2023": "Eshraghian JK et al. (2023). Training spiking neural networks using lessons from deep "
    "learning. Proceedings of the IEEE 111(9):1016-1054. doi:10.1109/JPROC.2023.3308088",
    "neftci2019": "Neftci EO, Mostafa H, Zenke F (2019). Surrogate gradient learning in spiking neural networks. "
    "IEEE Signal Processing Magazine 36(6):51-63. doi:10.1109/MSP.2019.2931595",
    "zenke2018": "Zenke F, Ganguli S (2018). SuperSpike: supervised learning in multilayer spiking neural networks. "
    "Neural Computation 30(6):1514-1541. doi:10.1162/neco_a_01086",
    "fang2021": "Fang W et al. (2021). Incorporating learnable membrane time constant to enhance learning of spiking "
    "neural networks. ICCV 2021:2661-2671. doi:10.1109/ICCV48922.2021.00266",
    "esser2016": "Esser SK et al. (2016). Convolutional networks for fast, energy-efficient neuromorphic computing. "
    "PNAS 113(41):11441-11446. doi:10.1073/pnas.1604850113",
    "wu2018": "Wu Y, Deng L, Li G, Zhu J, Shi L (2018). Spatio-temporal backpropagation for training high-performance "
    "spiking neural networks. Frontiers in Neuroscience 12:331. doi:10.3389/fnins.2018.00331",
    "bengio2013": "Bengio Y, Leonard N, Courville A (2013). Estimating or propagating gradients through stochastic "
    "neurons for conditional computation. arXiv:1308.3432. doi:10.48550/arXiv.1308.3432",
    "hinton2022": "Hinton G (2022). The forward-forward algorithm: some preliminary investigations. arXiv:2212.13345. "
    "doi:10.48550/arXiv.2212.13345",
    "kao2024": "Kao C-H, Hariharan B (2024). Counter-current learning: a biologically plausible dual network approach "
    "for deep learning. NeurIPS 2024. arXiv:2409.19841. doi:10.48550/arXiv.2409.19841",
    "lecun1998": "LeCun Y, Bottou L, Bengio Y, Haffner P (1998). Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86(11):2278-2324. doi:10.1109/5.726791",
    "alpaydin1998": "Alpaydin E, Kaynak C (1998). Optical recognition of handwritten digits. UCI Machine Learning "
    "Repository. doi:10.24432/C50P49",
    "kingma2015": "Kingma DP, Ba J (2015). Adam: a method for stochastic optimization. ICLR 2015. arXiv:1412.6980. "
    "doi:10.48550/arXiv.1412.6980",
}


def sources(*objects: object) -> list[str]:
    """Keys of the references that objects use, in order, each once; looks into dataclass fields and tuples."""
    found: list[str] = []
    for thing in objects:
        if isinstance(thing, (tuple, list)):
            found += sources(*thing)
            continue
        key = getattr(thing, "source", None)
        if isinstance(key, str):
            found.append(key)
        if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
            found += sources(*(getattr(thing, field.name) for field in dataclasses.fields(thing)))
    return list(dict.fromkeys(found))


def cite(*objects: object) -> str:
    """The references behind models, rules, networks or learners, one a line.

    A source that is not a key (a number one chose oneself, say) is given as it stands.
    """
    return "\n".join(f"[{key}] {REFERENCES.get(key, key)}" for key in sources(*objects))

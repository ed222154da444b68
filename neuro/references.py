"""Where equations and numbers come from: key -> full reference. `cite` prints those that objects used."""

import dataclasses

REFERENCES = {
    "griewank2008": "Griewank A, Walther A (2008). Evaluating derivatives: principles and techniques of algorithmic "
    "differentiation. 2nd edition, SIAM. doi:10.1137/1.9780898717761",
    "rotter1999": "Rotter S, Diesmann M (1999). Exact digital simulation of time-invariant linear systems with "
    "applications to neuronal modeling. Biological Cybernetics 81:381-402. doi:10.1007/s004220050570",
    "nest": "Gewaltig M-O, Diesmann M (2007). NEST (NEural Simulation Tool). Scholarpedia 2(4):1430. "
    "doi:10.4249/scholarpedia.1430. Default parameters of the models named, NEST 3.10",
    "brette2007": "Brette R et al. (2007). Simulation of networks of spiking neurons: a review of tools and "
    "strategies. Journal of Computational Neuroscience 23:349-398. doi:10.1007/s10827-007-0038-6",
    "vogels2005": "Vogels TP, Abbott LF (2005). Signal propagation and logic gating in networks of integrate-and-fire "
    "neurons. Journal of Neuroscience 25(46):10786-10795. doi:10.1523/JNEUROSCI.3508-05.2005",
    "brunel2000": "Brunel N (2000). Dynamics of sparsely connected networks of excitatory and inhibitory spiking "
    "neurons. Journal of Computational Neuroscience 8:183-208. doi:10.1023/A:1008925309027",
    "potjans2014": "Potjans TC, Diesmann M (2014). The cell-type specific cortical microcircuit: relating structure "
    "and activity in a full-scale spiking network model. Cerebral Cortex 24(3):785-806. doi:10.1093/cercor/bhs358",
    "brette2005": "Brette R, Gerstner W (2005). Adaptive exponential integrate-and-fire model as an effective "
    "description of neuronal activity. Journal of Neurophysiology 94:3637-3642. doi:10.1152/jn.00686.2005",
    "naud2008": "Naud R, Marcille N, Clopath C, Gerstner W (2008). Firing patterns in the adaptive exponential "
    "integrate-and-fire model. Biological Cybernetics 99:335-347. doi:10.1007/s00422-008-0264-7",
    "bellec2018": "Bellec G, Salaj D, Subramoney A, Legenstein R, Maass W (2018). Long short-term memory and "
    "learning-to-learn in networks of spiking neurons. NeurIPS 2018. doi:10.48550/arXiv.1803.09574",
    "bellec2020": "Bellec G, Scherr F, Subramoney A, Hajek E, Salaj D, Legenstein R, Maass W (2020). A solution to the "
    "learning dilemma for recurrent networks of spiking neurons. Nature Communications 11:3625. "
    "doi:10.1038/s41467-020-17236-y",
    "izhikevich2003": "Izhikevich EM (2003). Simple model of spiking neurons. IEEE Transactions on Neural Networks "
    "14(6):1569-1572. doi:10.1109/TNN.2003.820440",
    "izhikevich2007": "Izhikevich EM (2007). Dynamical systems in neuroscience: the geometry of excitability and "
    "bursting. MIT Press. doi:10.7551/mitpress/2526.001.0001",
    "izhikevich2006": "Izhikevich EM (2006). Polychronization: computation with spikes. Neural Computation "
    "18(2):245-282. doi:10.1162/089976606775093882",
    "izhikevich2007b": "Izhikevich EM (2007). Solving the distal reward problem through linkage of STDP and dopamine "
    "signaling. Cerebral Cortex 17(10):2443-2452. doi:10.1093/cercor/bhl152",
    "pauli2018": "Pauli R, Weidel P, Kunkel S, Morrison A (2018). Reproducing polychronization: a guide to maximizing "
    "the reproducibility of spiking network models. Frontiers in Neuroinformatics 12:46. doi:10.3389/fninf.2018.00046",
    "lazar2009": "Lazar A, Pipa G, Triesch J (2009). SORN: a self-organizing recurrent neural network. Frontiers in "
    "Computational Neuroscience 3:23. doi:10.3389/neuro.10.023.2009",
    "miner2016": "Miner D, Triesch J (2016). Plasticity-driven self-organization under topological constraints "
    "accounts for non-random features of cortical synaptic wiring. PLOS Computational Biology 12(2):e1004759. "
    "doi:10.1371/journal.pcbi.1004759",
    "song2000": "Song S, Miller KD, Abbott LF (2000). Competitive Hebbian learning through spike-timing-dependent "
    "synaptic plasticity. Nature Neuroscience 3:919-926. doi:10.1038/78829",
    "morrison2008": "Morrison A, Diesmann M, Gerstner W (2008). Phenomenological models of synaptic plasticity based "
    "on spike timing. Biological Cybernetics 98:459-478. doi:10.1007/s00422-008-0233-1",
    "tsodyks1998": "Tsodyks M, Pawelzik K, Markram H (1998). Neural networks with dynamic synapses. Neural Computation "
    "10(4):821-835. doi:10.1162/089976698300017502",
    "tsodyks2000": "Tsodyks M, Uziel A, Markram H (2000). Synchrony generation in recurrent networks with "
    "frequency-dependent synapses. Journal of Neuroscience 20:RC50. doi:10.1523/JNEUROSCI.20-01-j0003.2000",
    "pfister2006": "Pfister J-P, Gerstner W (2006). Triplets of spikes in a model of spike timing-dependent "
    "plasticity. Journal of Neuroscience 26(38):9673-9682. doi:10.1523/JNEUROSCI.1425-06.2006",
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
    "rumelhart1986": "Rumelhart DE, Hinton GE, Williams RJ (1986). Learning representations by back-propagating "
    "errors. Nature 323:533-536. doi:10.1038/323533a0",
    "hinton2022": "Hinton G (2022). The forward-forward algorithm: some preliminary investigations. arXiv:2212.13345. "
    "doi:10.48550/arXiv.2212.13345",
    "lee2023": "Lee H-C, Song J (2023). SymBa: symmetric backpropagation-free contrastive learning with "
    "forward-forward algorithm for optimizing convergence. arXiv:2303.08418. doi:10.48550/arXiv.2303.08418",
    "papachristodoulou2024": "Papachristodoulou A, Kyrkou C, Timotheou S, Theocharides T (2024). Convolutional "
    "channel-wise competitive learning for the forward-forward algorithm. AAAI 2024. arXiv:2312.12668. "
    "doi:10.48550/arXiv.2312.12668",
    "ghader2025": "Ghader M, Kheradpisheh SR, Farahani B, Fazlali M (2025). Backpropagation-free spiking neural "
    "networks with the forward-forward algorithm. arXiv:2502.20411. doi:10.48550/arXiv.2502.20411",
    "ioffe2015": "Ioffe S, Szegedy C (2015). Batch normalization: accelerating deep network training by reducing "
    "internal covariate shift. ICML 2015. arXiv:1502.03167. doi:10.48550/arXiv.1502.03167",
    "kao2024": "Kao C-H, Hariharan B (2024). Counter-current learning: a biologically plausible dual network approach "
    "for deep learning. NeurIPS 2024. arXiv:2409.19841. doi:10.48550/arXiv.2409.19841",
    "jarzynski2020": "Jarzynski M, Olano M (2020). Hash functions for GPU rendering. Journal of Computer Graphics "
    "Techniques 9(3):20-38. https://jcgt.org/published/0009/03/02/",
    "softky1993": "Softky WR, Koch C (1993). The highly irregular firing of cortical cells is inconsistent with "
    "temporal integration of random EPSPs. Journal of Neuroscience 13(1):334-350. "
    "doi:10.1523/JNEUROSCI.13-01-00334.1993",
    "cohen2011": "Cohen MR, Kohn A (2011). Measuring and interpreting neuronal correlations. Nature Neuroscience "
    "14:811-819. doi:10.1038/nn.2842",
    "welch1967": "Welch PD (1967). The use of fast Fourier transform for the estimation of power spectra: a method "
    "based on time averaging over short, modified periodograms. IEEE Transactions on Audio and Electroacoustics "
    "15(2):70-73. doi:10.1109/TAU.1967.1161901",
    "lecun1998": "LeCun Y, Bottou L, Bengio Y, Haffner P (1998). Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86(11):2278-2324. doi:10.1109/5.726791",
    "orchard2015": "Orchard G, Jayawant A, Cohen GK, Thakor N (2015). Converting static image datasets to spiking "
    "neuromorphic datasets using saccades. Frontiers in Neuroscience 9:437. doi:10.3389/fnins.2015.00437. The image's "
    "motion: functions stabilize and movingContour in gorchard/Matlab_AER_vision_functions",
    "hu2021": "Hu Y, Liu S-C, Delbruck T (2021). v2e: from video frames to realistic DVS events. CVPR Workshops "
    "2021:1312-1321. doi:10.1109/CVPRW53098.2021.00144. Defaults of the program in SensorsINI/v2e",
    "lichtsteiner2008": "Lichtsteiner P, Posch C, Delbruck T (2008). A 128x128 120 dB 15 us latency asynchronous "
    "temporal contrast vision sensor. IEEE Journal of Solid-State Circuits 43(2):566-576. doi:10.1109/JSSC.2007.914337",
    "zhu2019": "Zhu AZ, Yuan L, Chaney K, Daniilidis K (2019). Unsupervised event-based learning of optical flow, "
    "depth, and egomotion. CVPR 2019:989-997. doi:10.1109/CVPR.2019.00108",
    "lagorce2017": "Lagorce X, Orchard G, Galluppi F, Shi BE, Benosman RB (2017). HOTS: a hierarchy of event-based "
    "time-surfaces for pattern recognition. IEEE TPAMI 39(7):1346-1359. doi:10.1109/TPAMI.2016.2574707",
    "delbruck2008": "Delbruck T (2008). Frame-free dynamic digital vision. Proceedings of the International Symposium "
    "on Secure-Life Electronics, Tokyo:21-26. The filter: "
    "https://sourceforge.net/p/jaer/wiki/filt.net.sf.jaer.eventprocessing.filter.BackgroundActivityFilter/",
    "lenz2021": "Lenz G et al. (2021). Tonic: event-based datasets and transformations. doi:10.5281/zenodo.5079802. "
    "Program: neuromorphs/tonic, version 1.7.0",
    "flash1985": "Flash T, Hogan N (1985). The coordination of arm movements: an experimentally confirmed mathematical "
    "model. Journal of Neuroscience 5(7):1688-1703. doi:10.1523/JNEUROSCI.05-07-01688.1985",
    "alpaydin1998": "Alpaydin E, Kaynak C (1998). Optical recognition of handwritten digits. UCI Machine Learning "
    "Repository. doi:10.24432/C50P49",
    "loshchilov2017": "Loshchilov I, Hutter F (2017). SGDR: stochastic gradient descent with warm restarts. ICLR 2017. "
    "arXiv:1608.03983. doi:10.48550/arXiv.1608.03983",
    "kingma2015": "Kingma DP, Ba J (2015). Adam: a method for stochastic optimization. ICLR 2015. arXiv:1412.6980. "
    "doi:10.48550/arXiv.1412.6980",
    "maass2002": "Maass W, Natschlager T, Markram H (2002). Real-time computing without stable states: a new "
    "framework for neural computation based on perturbations. Neural Computation 14(11):2531-2560. "
    "doi:10.1162/089976602760407955",
    "batagelj2005": "Batagelj V, Brandes U (2005). Efficient generation of large random networks. Physical Review E "
    "71:036113. doi:10.1103/PhysRevE.71.036113",
    "bentley1987": "Bentley J, Floyd B (1987). Programming pearls: a sample of brilliance. Communications of the ACM "
    "30(9):754-757. doi:10.1145/30401.315746",
    "steele2014": "Steele GL, Lea D, Flood CH (2014). Fast splittable pseudorandom number generators. OOPSLA "
    "2014:453-472. doi:10.1145/2660193.2660195",
    "horowitz2014": "Horowitz M (2014). Computing's energy problem (and what we can do about it). ISSCC Digest of "
    "Technical Papers 57:10-14. doi:10.1109/ISSCC.2014.6757323",
    "akiba2019": "Akiba T, Sano S, Yanase T, Ohta T, Koyama M (2019). Optuna: a next-generation hyperparameter "
    "optimization framework. KDD 2019:2623-2631. doi:10.1145/3292500.3330701",
    "bergstra2011": "Bergstra J, Bardenet R, Bengio Y, Kegl B (2011). Algorithms for hyper-parameter optimization. "
    "NIPS 24:2546-2554. https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization",
    "lemire2019": "Lemire D (2019). Fast random integer generation in an interval. ACM Transactions on Modeling and "
    "Computer Simulation 29(1):3. doi:10.1145/3230636",
    "li2025": "Li Q, Teh YW, Pascanu R (2025). NoProp: training neural networks without back-propagation or "
    "forward-propagation. arXiv:2503.24322. https://arxiv.org/abs/2503.24322",
    "nichol2021": "Nichol A, Dhariwal P (2021). Improved denoising diffusion probabilistic models. ICML 2021, PMLR "
    "139:8162-8171. https://proceedings.mlr.press/v139/nichol21a.html",
    "kingma2021": "Kingma DP, Salimans T, Poole B, Ho J (2021). Variational diffusion models. NeurIPS 2021. "
    "https://arxiv.org/abs/2107.00630",
    "srivastava2014": "Srivastava N, Hinton G, Krizhevsky A, Sutskever I, Salakhutdinov R (2014). Dropout: a simple "
    "way to prevent neural networks from overfitting. JMLR 15:1929-1958. https://jmlr.org/papers/v15/srivastava14a.html",
    "vaswani2017": "Vaswani A, Shazeer N, Parmar N, Uszkoreit J, Jones L, Gomez AN, Kaiser L, Polosukhin I (2017). "
    "Attention is all you need. NeurIPS 2017. https://arxiv.org/abs/1706.03762",
    "loshchilov2019": "Loshchilov I, Hutter F (2019). Decoupled weight decay regularization. ICLR 2019. "
    "https://openreview.net/forum?id=Bkg6RiCqY7",
    "gong2025": "Gong J, Li B, Abdulla W (2025). Mono-forward: backpropagation-free algorithm for efficient neural "
    "network training harnessing local errors. arXiv:2501.09238. doi:10.48550/arXiv.2501.09238",
    "spyra2025": "Spyra P, Dzwinel W (2025). Energy-efficient deep learning without backpropagation: a rigorous "
    "evaluation of forward-only algorithms. arXiv:2511.01061. doi:10.48550/arXiv.2511.01061. Test accuracies from the "
    "logs in Przemyslaw11/BeyondBackpropagation",
    "zhao2023": "Zhao G, Wang T, Li Y, Jin Y, Lang C, Ling H (2023). The cascaded forward algorithm for neural network "
    "training. arXiv:2303.09728. doi:10.48550/arXiv.2303.09728",
    "martins2016": "Martins AFT, Astudillo RF (2016). From softmax to sparsemax: a sparse model of attention and "
    "multi-label classification. ICML 2016. arXiv:1602.02068. doi:10.48550/arXiv.1602.02068",
    "lillicrap2016": "Lillicrap TP, Cownden D, Tweed DB, Akerman CJ (2016). Random synaptic feedback weights support "
    "error backpropagation for deep learning. Nature Communications 7:13276. doi:10.1038/ncomms13276",
    "nokland2016": "Nokland A (2016). Direct feedback alignment provides learning in deep neural networks. NeurIPS "
    "2016. arXiv:1609.01596. doi:10.48550/arXiv.1609.01596",
    "dellaferrera2022": "Dellaferrera G, Kreiman G (2022). Error-driven input modulation: solving the credit "
    "assignment problem without a backward pass. ICML 2022. arXiv:2201.11665. doi:10.48550/arXiv.2201.11665",
    "he2015": "He K, Zhang X, Ren S, Sun J (2015). Delving deep into rectifiers: surpassing human-level performance on "
    "ImageNet classification. ICCV 2015:1026-1034. doi:10.1109/ICCV.2015.123",
    "jaderberg2017": "Jaderberg M, Czarnecki WM, Osindero S, Vinyals O, Graves A, Silver D, Kavukcuoglu K (2017). "
    "Decoupled neural interfaces using synthetic gradients. ICML 2017. doi:10.48550/arXiv.1608.05343",
    "devries2017": "DeVries T, Taylor GW (2017). Improved regularization of convolutional neural networks with cutout. "
    "arXiv. doi:10.48550/arXiv.1708.04552",
    "ivanov2021": "Ivanov VA, Michmizos KP (2021). Increasing liquid state machine performance with edge-of-chaos "
    "dynamics organized by astrocyte-modulated plasticity. NeurIPS 2021, and the code at github.com/combra-lab/NALSM. "
    "https://proceedings.neurips.cc/paper/2021/hash/d79c8788088c2193f0244d8f1f36d2db-Abstract.html",
    "lava": "Intel Corporation and contributors (2021-2024). Lava: a software framework for neuromorphic computing. "
    "https://github.com/lava-nc/lava",
    "nengo_loihi": "DeWolf T, Jaworski P, Eliasmith C (2020). Nengo and low-power AI hardware for robust, embedded "
    "neurorobotics. Frontiers in Neurorobotics 14:568359. doi:10.3389/fnbot.2020.568359. Its emulator of the chip: "
    "https://github.com/nengo/nengo-loihi",
    "hopkins2020": "Hopkins M, Mikaitis M, Lester DR, Furber S (2020). Stochastic rounding and reduced-precision "
    "fixed-point arithmetic for solving neural ordinary differential equations. Philosophical Transactions of the "
    "Royal Society A 378:20190052. doi:10.1098/rsta.2019.0052",
    "jacob2018": "Jacob B et al. (2018). Quantization and training of neural networks for efficient "
    "integer-arithmetic-only inference. CVPR 2018:2704-2713. doi:10.1109/CVPR.2018.00286",
    "joshi2020": "Joshi V et al. (2020). Accurate deep neural network inference using computational phase-change "
    "memory. Nature Communications 11:2473. doi:10.1038/s41467-020-16108-9",
    "wan2022": "Wan W et al. (2022). A compute-in-memory chip based on resistive random-access memory. Nature "
    "608:504-512. doi:10.1038/s41586-022-04992-8",
    "rasch2021": "Rasch MJ et al. (2021). A flexible and fast PyTorch toolkit for simulating training and inference on "
    "analog crossbar arrays. IEEE AICAS 2021. doi:10.1109/AICAS51828.2021.9458494. Constants from IBM/aihwkit",
    "rasch2023": "Rasch MJ et al. (2023). Hardware-aware training for large-scale and diverse deep learning inference "
    "workloads using in-memory computing-based accelerators. Nature Communications 14:5282. "
    "doi:10.1038/s41467-023-40770-4",
    "wang2023": "Wang S et al. (2023). Echo state graph neural networks with analogue random resistive memory arrays. "
    "Nature Machine Intelligence 5:104-113. doi:10.1038/s42256-023-00609-5",
    "yik2025": "Yik J et al. (2025). The neurobench framework for benchmarking neuromorphic computing algorithms and "
    "systems. Nature Communications 16:1545. doi:10.1038/s41467-025-56739-4. Definitions from NeuroBench/neurobench",
    "diehl2015b": "Diehl PU, Neil D, Binas J, Cook M, Liu S-C, Pfeiffer M (2015). Fast-classifying, high-accuracy "
    "spiking deep networks through weight and threshold balancing. IJCNN 2015. doi:10.1109/IJCNN.2015.7280696",
    "rueckauer2017": "Rueckauer B, Lungu I-A, Hu Y, Pfeiffer M, Liu S-C (2017). Conversion of continuous-valued deep "
    "networks to efficient event-driven networks for image classification. Frontiers in Neuroscience 11:682. "
    "doi:10.3389/fnins.2017.00682",
    "davies2018": "Davies M et al. (2018). Loihi: a neuromorphic manycore processor with on-chip learning. IEEE Micro "
    "38(1):82-99. doi:10.1109/MM.2018.112130359",
    "wilting2018": "Wilting J, Priesemann V (2018). Inferring collective dynamical states from widely unobserved "
    "systems. Nature Communications 9:2325. doi:10.1038/s41467-018-04725-4",
    "ma2019": "Ma Z, Turrigiano GG, Wessel R, Hengen KB (2019). Cortical circuit dynamics are homeostatically tuned to "
    "criticality in vivo. Neuron 104(4):655-664. doi:10.1016/j.neuron.2019.08.031",
    "legenstein2007": "Legenstein R, Maass W (2007). Edge of chaos and prediction of computational performance for "
    "neural circuit models. Neural Networks 20(3):323-334. doi:10.1016/j.neunet.2007.04.017",
    "liu1989": "Liu DC, Nocedal J (1989). On the limited memory BFGS method for large scale optimization. Mathematical "
    "Programming 45:503-528. doi:10.1007/BF01589116",
    "jin2016": "Jin Y, Li P (2016). AP-STDP: a novel self-organizing mechanism for efficient reservoir computing. "
    "IJCNN 2016. https://openreview.net/forum?id=nlPrywqOwUci",
    "beggs2003": "Beggs JM, Plenz D (2003). Neuronal avalanches in neocortical circuits. Journal of Neuroscience "
    "23(35):11167-11177. doi:10.1523/JNEUROSCI.23-35-11167.2003",
    "lirinzel1994": "Li Y-X, Rinzel J (1994). Equations for InsP3 receptor-mediated [Ca2+]i oscillations derived from "
    "a detailed kinetic model: a Hodgkin-Huxley like formalism. Journal of Theoretical Biology 166(4):461-473. "
    "doi:10.1006/jtbi.1994.1041",
    "depitta2009": "De Pitta M, Goldberg M, Volman V, Berry H, Ben-Jacob E (2009). Glutamate regulation of calcium and "
    "IP3 oscillating and pulsating dynamics in astrocytes. Journal of Biological Physics 35(4):383-411. "
    "doi:10.1007/s10867-009-9155-y",
    "depitta2011": "De Pitta M, Volman V, Berry H, Ben-Jacob E (2011). A tale of two stories: astrocyte regulation of "
    "synaptic depression and facilitation. PLoS Computational Biology 7(12):e1002293. "
    "doi:10.1371/journal.pcbi.1002293",
    "depitta2019": "De Pitta M (2019). Gliotransmitter exocytosis and its consequences on synaptic transmission. In: "
    "Computational Glioscience, Springer, 245-287. doi:10.1007/978-3-030-00817-8_10. Programs in "
    "github.com/mdepitta/comp-glia-book",
    "stimberg2019": "Stimberg M, Goodman DFM, Brette R, De Pitta M (2019). Modeling neuron-glia interactions with the "
    "Brian 2 simulator. In: Computational Glioscience, Springer, 471-505. doi:10.1007/978-3-030-00817-8_18. Its "
    "programs are brian2's examples/frompapers/Stimberg_et_al_2018",
    "diehl2015": "Diehl PU, Cook M (2015). Unsupervised learning of digit recognition using spike-timing-dependent "
    "plasticity. Frontiers in Computational Neuroscience 9:99. doi:10.3389/fncom.2015.00099. Numbers from the program "
    "in peter-u-diehl/stdp-mnist",
    "cramer2020": "Cramer B, Stradmann Y, Schemmel J, Zenke F (2020). The Heidelberg spiking data sets for the "
    "systematic evaluation of spiking neural networks. IEEE Transactions on Neural Networks and Learning Systems "
    "33(7):2744-2757. doi:10.1109/TNNLS.2020.3044364",
    "jackson2018": "Jackson Z, Souza C, Flaks J, Pan Y, Nicolas H, Thite A (2018). Free Spoken Digit Dataset. Zenodo. "
    "doi:10.5281/zenodo.1342401",
    "nowotny2025": "Nowotny T, Turner JP, Knight JC (2025). Loss shaping enhances exact gradient learning with "
    "Eventprop in spiking neural networks. Neuromorphic Computing and Engineering 5(1). doi:10.48550/arXiv.2212.01232",
    "ko2015": "Ko T, Peddinti V, Povey D, Khudanpur S (2015). Audio augmentation for speech recognition. Interspeech "
    "2015:3586-3589. doi:10.21437/Interspeech.2015-711",
    "jaitly2013": "Jaitly N, Hinton GE (2013). Vocal tract length perturbation (VTLP) improves speech recognition. "
    "ICML workshop on deep learning for audio, speech and language processing. "
    "https://www.cs.toronto.edu/~hinton/absps/perturb.pdf",
    "khalfaoui2023": "Khalfaoui-Hassani I, Pellegrini T, Masquelier T (2023). Dilated convolution with learnable "
    "spacings: beyond bilinear interpolation. ICML 2023 workshop on differentiable almost everything. "
    "doi:10.48550/arXiv.2306.00817",
    "smith2019": "Smith LN, Topin N (2019). Super-convergence: very fast training of neural networks using large "
    "learning rates. Artificial Intelligence and Machine Learning for Multi-Domain Operations Applications, SPIE "
    "11006:1100612. doi:10.1117/12.2520589",
    "hammouamri2024": "Hammouamri I, Khalfaoui-Hassani I, Masquelier T (2024). Learning delays in spiking neural "
    "networks using dilated convolutions with learnable spacings. ICLR 2024. doi:10.48550/arXiv.2306.17670",
    "krizhevsky2009": "Krizhevsky A (2009). Learning multiple layers of features from tiny images. Technical report, "
    "University of Toronto. https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
    "xiao2022": "Xiao M, Meng Q, Zhang Z, He D, Lin Z (2022). Online training through time for spiking neural "
    "networks. NeurIPS 2022. doi:10.48550/arXiv.2210.04195",
    "meng2022": "Meng Q, Xiao M, Yan S, Wang Y, Lin Z, Luo Z-Q (2022). Training high-performance low-latency spiking "
    "neural networks by differentiation on spike representation. CVPR 2022. doi:10.48550/arXiv.2205.00459",
    "meng2023": "Meng Q, Xiao M, Yan S, Wang Y, Lin Z, Luo Z-Q (2023). Towards memory- and time-efficient "
    "backpropagation for training spiking neural networks. ICCV 2023. doi:10.48550/arXiv.2302.14311",
    "williams1990": "Williams RJ, Peng J (1990). An efficient gradient-based algorithm for on-line training of "
    "recurrent network trajectories. Neural Computation 2(4):490-501. doi:10.1162/neco.1990.2.4.490",
    "oja1982": "Oja E (1982). A simplified neuron model as a principal component analyzer. Journal of Mathematical "
    "Biology 15:267-273. doi:10.1007/BF00275687",
    "sanger1989": "Sanger TD (1989). Optimal unsupervised learning in a single-layer linear feedforward neural "
    "network. Neural Networks 2(6):459-473. doi:10.1016/0893-6080(89)90044-0",
    "bienenstock1982": "Bienenstock EL, Cooper LN, Munro PW (1982). Theory for the development of neuron selectivity: "
    "orientation specificity and binocular interaction in visual cortex. Journal of Neuroscience 2(1):32-48. "
    "doi:10.1523/JNEUROSCI.02-01-00032.1982",
    "intrator1992": "Intrator N, Cooper LN (1992). Objective function formulation of the BCM theory of visual cortical "
    "plasticity: statistical connections, stability conditions. Neural Networks 5(1):3-17. "
    "doi:10.1016/S0893-6080(05)80003-6",
    "moraitis2022": "Moraitis T, Toichkin D, Journe A, Chua Y, Guo Q (2022). SoftHebb: Bayesian inference in "
    "unsupervised Hebbian soft winner-take-all networks. Neuromorphic Computing and Engineering 2:044017. "
    "doi:10.1088/2634-4386/aca710",
    "journe2023": "Journe A, Rodriguez HG, Guo Q, Moraitis T (2023). Hebbian deep learning without feedback. ICLR "
    "2023. doi:10.48550/arXiv.2209.11883",
    "kirkpatrick2017": "Kirkpatrick J, Pascanu R, Rabinowitz N, et al. (2017). Overcoming catastrophic forgetting in "
    "neural networks. PNAS 114(13):3521-3526. doi:10.1073/pnas.1611835114",
    "saha2021": "Saha G, Garg I, Roy K (2021). Gradient projection memory for continual learning. ICLR 2021. "
    "doi:10.48550/arXiv.2103.09762. Numbers from the program in sahagobinda/GPM",
    "chaudhry2019": "Chaudhry A, Rohrbach M, Elhoseiny M, et al. (2019). On tiny episodic memories in continual "
    "learning. doi:10.48550/arXiv.1902.10486",
    "vitter1985": "Vitter JS (1985). Random sampling with a reservoir. ACM Transactions on Mathematical Software "
    "11(1):37-57. doi:10.1145/3147.3165",
    "goodfellow2013": "Goodfellow IJ, Mirza M, Xiao D, Courville A, Bengio Y (2013). An empirical investigation of "
    "catastrophic forgetting in gradient-based neural networks. https://arxiv.org/abs/1312.6211",
    "lopezpaz2017": "Lopez-Paz D, Ranzato M (2017). Gradient episodic memory for continual learning. NeurIPS 2017. "
    "https://arxiv.org/abs/1706.08840",
    "chaudhry2018": "Chaudhry A, Dokania PK, Ajanthan T, Torr PHS (2018). Riemannian walk for incremental learning: "
    "understanding forgetting and intransigence. ECCV 2018. https://arxiv.org/abs/1801.10112",
    "riemer2019": "Riemer M, Cases I, Ajemian R, Liu M, Rish I, Tu Y, Tesauro G (2019). Learning to learn without "
    "forgetting by maximizing transfer and minimizing interference. ICLR 2019. https://arxiv.org/abs/1810.11910",
    "vandeven2022": "van de Ven GM, Tuytelaars T, Tolias AS (2022). Three types of incremental learning. Nature "
    "Machine Intelligence 4:1185-1197. doi:10.1038/s42256-022-00568-3",
    "zenke2017": "Zenke F, Poole B, Ganguli S (2017). Continual learning through synaptic intelligence. ICML 2017. "
    "https://arxiv.org/abs/1703.04200",
    "xiao2024": "Xiao M, Meng Q, Zhang Z, He D, Lin Z (2024). Hebbian learning based orthogonal projection for "
    "continual learning of spiking neural networks. ICLR 2024. https://arxiv.org/abs/2402.11984. Its program is "
    "pkuxmq/HLOP-SNN",
    "ebrahimi2020": "Ebrahimi S, Meier F, Calandra R, Darrell T, Rohrbach M (2020). Adversarial continual learning. "
    "ECCV 2020. https://arxiv.org/abs/2003.09553",
    "netzer2011": "Netzer Y, Wang T, Coates A, Bissacco A, Wu B, Ng AY (2011). Reading digits in natural images with "
    "unsupervised feature learning. NIPS workshop. https://research.google/pubs/pub37648/",
    "xiao2017": "Xiao H, Rasul K, Vollgraf R (2017). Fashion-MNIST: a novel image dataset for benchmarking machine "
    "learning algorithms. https://arxiv.org/abs/1708.07747",
    "bulatov2011": "Bulatov Y (2011). notMNIST dataset. https://yaroslavvb.blogspot.com/2011/09/notmnist-dataset.html",
    "pedersen2024": "Pedersen JE, Abreu S, Jobst M, Lenz G, Fra V, Bauer FC, et al. (2024). Neuromorphic intermediate "
    "representation: a unified instruction set for interoperable brain-inspired computing. Nature Communications "
    "15:8122. doi:10.1038/s41467-024-52259-9. Graphs in neuromorphs/NIR, paper/",
    "abbott1999": "Abbott LF (1999). Lapicque's introduction of the integrate-and-fire model neuron (1907). Brain "
    "Research Bulletin 50(5-6):303-304. doi:10.1016/S0361-9230(99)00161-6",
    "pereznieves2021": "Perez-Nieves N, Goodman DFM (2021). Sparse spiking gradient descent. NeurIPS 2021. "
    "https://arxiv.org/abs/2105.08810",
    "pereznieves2021b": "Perez-Nieves N, Leung VCH, Dragotti PL, Goodman DFM (2021). Neural heterogeneity promotes "
    "robust learning. Nature Communications 12:5791. doi:10.1038/s41467-021-26022-3. Numbers from the program in "
    "npvoid/neural_heterogeneity",
    "wunderlich2021": "Wunderlich TC, Pehle C (2021). Event-based backpropagation can compute exact gradients for "
    "spiking neural networks. Scientific Reports 11:12829. doi:10.1038/s41598-021-91786-z",
    "fang2023": "Fang W, Chen Y, Ding J, et al. (2023). SpikingJelly: an open-source machine learning infrastructure "
    "platform for spike-based intelligence. Science Advances 9(40):eadi1480. doi:10.1126/sciadv.adi1480",
    "sieroka2006": "Sieroka N, Dosch HG, Rupp A (2006). Semirealistic models of the cochlea. Journal of the Acoustical "
    "Society of America 120(1):297-304. Equations and constants as used by https://github.com/electronicvisions/lauscher",
    "meddis1988": "Meddis R (1988). Simulation of auditory-neural transduction: further studies. Journal of the "
    "Acoustical Society of America 83(3):1056-1063. doi:10.1121/1.396050",
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

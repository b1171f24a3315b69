"""One small network of each family of timm, and what becomes of it: trained and exported, or refused with a reason.

A family is a module of ``timm.models``. Members with many weights are shrunk by their own settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import timm
from timm.models import register_model
from timm.models.vgg import VGG
from torch import nn


@dataclass(frozen=True)
class Family:
    """A family, its small network, and the sizes of global and local crops (0: none) in pixels.

    ``settings`` shrink it. ``refused``: a regular expression for the one line of the training, or of the export after
    it; empty if both work. ``places``: the same for ``--recipe gem``.
    """

    module: str
    network: str
    size: int = 64
    local: int = 32
    settings: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    places: str = ""

    @property
    def name(self) -> str:
        """The name under which ``register`` registers the shrunk network."""
        return f"shrunk_{self.module}" if self.settings else self.network


SEVERAL = "its last features are . outputs"
FAMILIES = (
    Family("beit", "beit_base_patch16_224", 64, 0, {"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family("byoanet", "eca_botnext26ts_256", 256, 0),
    Family("byobnet", "test_byobnet"),
    Family("cait", "cait_xxs24_224", 64, 0, {"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family(
        "coat",
        "coat_lite_tiny",
        64,
        0,
        {"embed_dims": [16, 24, 32, 40], "serial_depths": [1, 1, 1, 1], "num_heads": 8},
    ),
    Family("convit", "convit_tiny", 64, 0, {"embed_dim": 48, "depth": 3, "local_up_to_layer": 2, "num_heads": 4}),
    Family("convmixer", "convmixer_768_32"),
    Family("convnext", "test_convnext"),
    Family("cpubone", "cpubone_nano"),
    Family(
        "crossvit",
        "crossvit_tiny_240",
        240,
        0,
        {"embed_dim": (24, 48), "depth": ((1, 1, 0),), "num_heads": (2, 2), "mlp_ratio": (2, 2, 1)},
        places=SEVERAL,
    ),
    Family("csatv2", "csatv2", 64, 0),
    Family("cspnet", "cs3darknet_focus_s"),
    Family("cspnext", "cspnext_tiny"),
    Family(
        "davit",
        "davit_tiny",
        settings={"depths": (1, 1, 1, 1), "embed_dims": (16, 32, 48, 64), "num_heads": (1, 2, 3, 4)},
    ),
    Family("deepseek_vit", "deepseek_vit_412m", 112, 56, {"embed_dim": 64, "depth": 2, "num_heads": 2}),
    Family("deit", "deit_tiny_distilled_patch16_224", settings={"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family("densenet", "densenet121", settings={"growth_rate": 8, "block_config": (2, 2, 2, 2)}),
    Family("dla", "dla46x_c"),
    Family("dpn", "dpn48b", settings={"k_sec": (1, 1, 1, 1)}),
    Family("edgenext", "edgenext_xx_small"),
    Family(
        "efficientformer",
        "efficientformer_l1",
        224,
        0,
        {"depths": (1, 1, 1, 2), "embed_dims": (16, 24, 32, 48), "num_vit": 1},
    ),
    Family("efficientformer_v2", "efficientformerv2_s0", 224, 0),
    Family("efficientnet", "test_efficientnet"),
    Family("efficientvim", "efficientvim_m1", places=SEVERAL),
    Family("efficientvit_mit", "efficientvit_b0"),
    Family("efficientvit_msra", "efficientvit_m0", 224, 0),
    Family("eva", "vit_tiny_patch16_dinov3_qkvb", settings={"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family("fasternet", "fasternet_t0"),
    Family("fastvit", "fastvit_t8"),
    Family("focalnet", "focalnet_tiny_srf"),
    Family("gcvit", "gcvit_xxtiny", 224, 0),
    Family(
        "gemma4_vit",
        "gemma4_vit_167m",
        96,
        48,
        {"embed_dim": 64, "depth": 2, "num_heads": 2},
        refused="holds infinite constants, such as .*input_min; choose another backbone",
    ),
    Family("ghostnet", "ghostnet_050"),
    Family("hardcorenas", "hardcorenas_b"),
    Family("hgnet", "hgnetv2_b0"),
    Family("hiera", "hiera_tiny_224", 224, 0, {"embed_dim": 24, "num_heads": 1, "stages": (1, 1, 1, 1)}),
    Family(
        "hieradet_sam2",
        "sam2_hiera_tiny",
        224,
        0,
        {"embed_dim": 24, "num_heads": 1},
    ),
    Family("hrnet", "hrnet_w18_small"),
    Family("iformer", "iformer_t"),
    Family("inception_next", "inception_next_atto"),
    Family("inception_resnet_v2", "inception_resnet_v2", 96, 0),
    Family("inception_v3", "inception_v3", 96, 0),
    Family("inception_v4", "inception_v4", 96, 0),
    Family("lcnetv2", "lcnetv2_small"),
    Family(
        "levit",
        "levit_128s",
        224,
        0,
        {"embed_dim": (16, 32, 48), "depth": (1, 1, 1), "num_heads": (2, 2, 3), "key_dim": 8},
    ),
    Family("lowformer", "lowformer_b0"),
    Family("mambaout", "test_mambaout"),
    Family("maxxvit", "test_coatnet", 160, 0),
    Family("metaformer", "poolformerv2_s12"),
    Family("mlp_mixer", "gmlp_ti16_224", 224, 0),
    Family("mobilenetv3", "mobilenetv3_small_050"),
    Family("mobilenetv5", "mobilenetv5_base", 128, 0, {"channel_multiplier": 0.1}),
    Family("mobilevit", "mobilevit_xxs"),
    Family("mvitv2", "mvitv2_tiny", 224, 0),
    Family("naflexvit", "naflexvit_base_patch16_gap", settings={"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family("nasnet", "nasnetalarge", 96, 0, {"stem_size": 8, "num_features": 192}),
    Family("nest", "nest_tiny", 224, 0),
    Family("nextvit", "nextvit_small"),
    Family("nfnet", "test_nfnet"),
    Family("pit", "pit_ti_224", 224, 0, places="its last features are 1 tokens for 7 x 7 places"),
    Family("pnasnet", "pnasnet5large", 96, 0),
    Family("pvt_v2", "pvt_v2_b0"),
    Family("qwen3_vit", "qwen3_vit_88m", 64, 32, {"embed_dim": 64, "depth": 2, "num_heads": 2}),
    Family("rdnet", "rdnet_tiny"),
    Family("regnet", "regnetx_002"),
    Family("repghost", "repghostnet_050"),
    Family("repvit", "repvit_m1"),
    Family("res2net", "res2net50_26w_4s", settings={"layers": (1, 1, 1, 1)}),
    Family("resnest", "resnest14d"),
    Family("resnet", "test_resnet"),
    Family("resnetv2", "resnetv2_18", settings={"layers": (1, 1, 1, 1)}),
    Family("rexnet", "rexnet_100"),
    Family("selecsls", "selecsls42"),
    Family("senet", "legacy_seresnet18", settings={"layers": (1, 1, 1, 1)}),
    Family(
        "sequencer",
        "sequencer2d_s",
        224,
        0,
        {"layers": (1, 1, 1, 1), "embed_dims": (24, 48, 48, 48), "hidden_sizes": (12, 24, 24, 24)},
    ),
    Family("shvit", "shvit_s1"),
    Family("sknet", "skresnet18", settings={"layers": (1, 1, 1, 1)}),
    Family("starnet", "starnet_s050"),
    Family("swiftformer", "swiftformer_xs"),
    Family(
        "swin_transformer",
        "swin_tiny_patch4_window7_224",
        224,
        0,
        {"depths": (1, 1, 2, 1), "embed_dim": 24, "num_heads": (1, 2, 3, 4)},
    ),
    Family(
        "swin_transformer_v2",
        "swinv2_tiny_window8_256",
        256,
        0,
        {"depths": (1, 1, 2, 1), "embed_dim": 24, "num_heads": (1, 2, 3, 4)},
    ),
    Family(
        "swin_transformer_v2_cr",
        "swinv2_cr_tiny_224",
        224,
        0,
        {"depths": (1, 1, 2, 1), "embed_dim": 24, "num_heads": (1, 2, 3, 4)},
    ),
    Family(
        "tiny_vit",
        "tiny_vit_5m_224",
        settings={"embed_dims": (16, 32, 48, 64), "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)},
    ),
    Family("tnt", "tnt_s_patch16_224", 64, 0, {"embed_dim": 48, "inner_dim": 16, "depth": 2, "num_heads_outer": 2}),
    Family("tresnet", "tresnet_m", settings={"layers": (1, 1, 1, 1), "width_factor": 0.5}),
    Family(
        "twins",
        "twins_svt_small",
        64,
        0,
        {"embed_dims": (16, 24, 32, 48), "num_heads": (1, 2, 2, 4), "depths": (1, 1, 2, 1)},
    ),
    Family("vgg", "vgg11", settings={"cfg": [8, "M", 16, "M", 24, "M", 32, "M"], "mlp_ratio": 0.5}),
    Family("visformer", "visformer_tiny", 224, 0, {"embed_dim": 48, "depth": (1, 1, 1)}),
    Family("vision_transformer", "test_vit"),
    Family("vision_transformer_hybrid", "vit_tiny_r_s16_p8_224", 128, 0, {"embed_dim": 48, "depth": 2, "num_heads": 2}),
    Family("vision_transformer_relpos", "test_vit_relpos", 160, 0),
    Family(
        "vision_transformer_sam",
        "samvit_base_patch16_224",
        224,
        0,
        {"embed_dim": 48, "depth": 2, "num_heads": 2, "global_attn_indexes": (1,)},
    ),
    Family("vitamin", "vitamin_small_224", 224, 0, {"depth": 2}),
    Family("volo", "volo_d1_224", 224, 0),
    Family("vovnet", "ese_vovnet19b_slim_dw"),
    Family("xception", "legacy_xception"),
    Family("xception_aligned", "xception41p"),
    Family("xcit", "xcit_nano_12_p16_224", settings={"embed_dim": 48, "depth": 2, "num_heads": 2}),
)
SHORT = ("eva", "mobilenetv3", "resnet", "swin_transformer", "vgg", "vision_transformer")
"""Families of the short form: channels last, tokens, wide heads, and the plain ones."""


def register() -> None:
    """Make the shrunk networks known to timm under their names."""
    for family in FAMILIES:
        if family.settings and not timm.is_model(family.name):
            register_model(_entry(family))


def _entry(family: Family) -> Callable[..., nn.Module]:
    make = partial(_vgg if family.module == "vgg" else timm.create_model, family.network)

    def entry(pretrained: bool = False, **settings: Any) -> nn.Module:
        return make(**{**family.settings, **settings})

    entry.__name__, entry.__module__ = family.name, f"timm.models.{family.module}"
    return entry


def _vgg(_: str, cfg: list[Any], **settings: Any) -> nn.Module:
    """A VGG of few channels; timm's entry points have fixed ones."""
    return VGG(cfg, num_classes=settings["num_classes"], mlp_ratio=settings["mlp_ratio"])

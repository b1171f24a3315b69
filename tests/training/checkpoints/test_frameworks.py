"""Exported weights load strictly in timm and torchvision, and a torchvision detector trains with them."""

import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load, load_file
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from cli.main import main
from training.checkpoints import frameworks
from training.networks import backbones


def test_resnet50_weights_load_into_torchvisions_faster_rcnn():
    """Load strictly into the body of Faster R-CNN's ResNet-50 FPN, then train one step."""
    torch.manual_seed(0)
    body = backbones.build("resnet50")
    state = load(frameworks.weights("resnet50", body, "torchvision", {"size": 224}))
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=2)
    backbone.body.load_state_dict(state, strict=True)
    assert torch.equal(backbone.body.layer4[2].conv3.weight, body.layer4[2].conv3.weight)
    detector = FasterRCNN(backbone, num_classes=2, min_size=64, max_size=64, rpn_pre_nms_top_n_train=50)
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=1e-4)
    before = backbone.body.layer4[2].conv3.weight.detach().clone()
    target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    losses = detector([torch.rand(3, 64, 64)], [target])
    sum(losses.values()).backward()
    optimizer.step()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert not torch.equal(backbone.body.layer4[2].conv3.weight, before)
    assert torch.equal(backbone.body.conv1.weight, body.conv1.weight)


def test_export_writes_the_weights_or_names_the_framework_that_works(tmp_path):
    arguments = [
        "timm:test_vit",
        "--random",
        "--size",
        "96",
        "--out",
        str(tmp_path / "vit"),
        "--no-places",
        "--weights",
    ]
    refused = CliRunner().invoke(main, ["export", *arguments, "torchvision"])
    assert refused.exit_code == 1
    assert "use --weights timm" in refused.output
    assert not (tmp_path / "vit").exists()
    assert CliRunner().invoke(main, ["export", *arguments, "timm"]).exit_code == 0
    file = tmp_path / "vit" / "weights.safetensors"
    backbones.build("test_vit", 96).load_state_dict(load_file(file), strict=True)
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["backbone"] == "test_vit"

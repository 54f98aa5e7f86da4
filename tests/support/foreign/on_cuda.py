"""A tracker whose authors have only ever run it on a card: tensors go to CUDA when it is built and in every frame."""

import torch


class OnCuda:
    def __init__(self, device="cuda"):
        self.device = device
        self.network = torch.nn.Linear(4, 4, bias=False).cuda()
        torch.nn.init.eye_(self.network.weight)
        self.step = torch.tensor([1.0, 2.0, 0.0, 0.0]).to(device)

    def initialize(self, image, info):
        self.state = torch.tensor(info["init_bbox"], dtype=torch.float32).to(device=self.device, dtype=torch.float32)

    def track(self, image):
        with torch.no_grad():
            self.state = self.network(self.state.cuda()) + self.step
        return {"target_bbox": self.state.tolist(), "best_score": 0.5}


class AsksAnew(OnCuda):
    """Asks for a new tensor on the card, which nobody can leave where it is."""

    def track(self, image):
        return {"target_bbox": torch.zeros(4, device="cuda").tolist()}
